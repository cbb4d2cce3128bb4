//! Reports: checked, kept, told.

use super::Pipeline;
use crate::{error::PipelineError, record::interested, report::Report, store::Recorded};

impl Pipeline {
    /// Keeps a report and tells of it. The same report again is answered as it was kept; another one of this id is a `Conflict`.
    pub async fn take_report(&self, report: Report) -> Result<(Report, Recorded), PipelineError> {
        report.check()?;
        let events = vec![report.event()];
        let webhooks = interested(&events, &self.webhooks);
        let recorded = self.store.put_report(&report, events, webhooks).await?;
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
