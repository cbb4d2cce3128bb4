//! Known pictures and copies.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A bank.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct BankView {
    /// Its name; rules read `score["bank.NAME"]`.
    #[schema(example = "removed")]
    pub name: String,
    /// For people.
    pub note: String,
    /// `bad` or `good`.
    #[schema(example = "bad")]
    pub holds: String,
    /// Bits of 256 in which a picture may differ from an entry.
    pub distance: u32,
    /// The share of the pictures that it looks at.
    pub share: f64,
    /// It finds nothing until then.
    #[serde(default)]
    pub disabled_until: Option<DateTime<Utc>>,
    /// How many pictures it knows.
    pub entries: u64,
    /// When it was changed last.
    pub at: DateTime<Utc>,
    /// Who changed it.
    pub by: String,
}

/// A picture in a bank: its hash.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct BankEntryView {
    /// PDQ, 64 hexadecimal digits.
    pub hash: String,
    /// Since when it is there.
    pub at: DateTime<Utc>,
    /// Who put it there.
    pub by: String,
    /// For people.
    #[serde(default)]
    pub note: String,
    /// The case that it comes from.
    #[serde(default)]
    pub case: Option<Uuid>,
}

/// One page of a bank.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct BankEntryList {
    /// The pictures.
    pub items: Vec<BankEntryView>,
    /// `cursor` of the next page.
    #[serde(default)]
    pub next: Option<String>,
}

/// A picture that shows the same as one of a case.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CopyView {
    /// The item of the case.
    pub of: Uuid,
    /// The copy's item.
    pub item: Uuid,
    /// Who showed it.
    #[serde(default)]
    pub actor: Option<String>,
    /// `image` or `frame`.
    #[schema(example = "image")]
    pub kind: String,
    /// When it was judged.
    pub at: DateTime<Utc>,
    /// Bits of 256 in which the two differ.
    pub distance: u32,
}

/// Copies of a case's pictures.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CopiesView {
    /// Newest first, at most 200.
    pub copies: Vec<CopyView>,
    /// Pictures of the case that were compared.
    pub pictures: usize,
    /// Judged pictures that they were compared with.
    pub searched: u64,
    /// Was everything compared that is kept?
    pub complete: bool,
}
