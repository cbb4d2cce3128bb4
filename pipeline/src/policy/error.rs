//! Why a policy file was refused, and where.

/// A policy file is wrong. Nothing of it is taken into use; the policy in force stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct PolicyError {
    /// File name as it was given.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

impl PolicyError {
    /// An error at byte `offset` of `text`, the whole file.
    pub(crate) fn at(file: &str, text: &str, offset: usize, message: impl Into<String>) -> Self {
        let before = text.get(..offset.min(text.len())).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.into(),
        }
    }
}

impl From<PolicyError> for crate::PipelineError {
    fn from(error: PolicyError) -> Self {
        Self::invalid("policy_invalid", error.to_string())
    }
}
