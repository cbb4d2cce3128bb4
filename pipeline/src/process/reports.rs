//! Reports: checked, kept, told, and brought before a reviewer.

use super::Pipeline;
use crate::{error::PipelineError, report::Report, store::Recorded};

impl Pipeline {
    /// Keeps a report, tells of it, and makes it a case or part of one. The same report again is answered as it was kept; another one of this id is a `Conflict`.
    pub async fn take_report(&self, report: Report) -> Result<(Report, Recorded), PipelineError> {
        report.check()?;
        let recorded = self.desk.take_report(&report).await?;
        if recorded == Recorded::New {
            metrics::counter!("chaperone_reports_total").increment(1);
            return Ok((report, recorded));
        }
        match self.store.load_report(&report.tenant, report.id).await? {
            Some(known) if known.says_the_same(&report) => Ok((known, recorded)),
            _ => {
                let message = format!("the id `{}` belongs to another report: give every report its own id", report.id);
                Err(PipelineError::Conflict { code: "report_id_taken", message })
            }
        }
    }
}
