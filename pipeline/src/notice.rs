//! Events from the platform: what happened there that we have to know.

use crate::error::PipelineError;

/// One event from the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {}

impl Notice {
    /// Reads the body of a message. Errors: `Invalid` with `notice_kind`.
    pub fn parse(_: &[u8]) -> Result<Self, PipelineError> {
        Err(PipelineError::invalid("notice_kind", "no kind of event from the platform is known yet: send none"))
    }
}
