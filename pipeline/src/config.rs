//! Sections of the configuration that this crate owns.

use std::{fmt, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{error::PipelineError, opinion::SecondOpinionConfig};

/// Where accepted items wait. Section `[queue]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QueueConfig {
    /// `memory:` (this process, journaled through the store), or `amqp://user:password@host:5672/vhost` (`amqps:` with
    /// TLS) for RabbitMQ.
    pub url: String,
    /// Items that may wait in the interactive lane before 429. RabbitMQ counts messages: a batch of texts is one.
    pub interactive_capacity: usize,
    /// Items that may wait in the live lane before 429.
    pub live_capacity: usize,
    /// Items that may wait in the bulk lane before 429.
    pub bulk_capacity: usize,
    /// Age of a call frame, in milliseconds since we accepted it, at which a verdict comes too late. It may wait for three quarters of
    /// that; the last quarter is for judging it.
    pub live_max_age_ms: u64,
    /// RabbitMQ: every name of ours in the broker begins with this.
    pub prefix: String,
    /// RabbitMQ: queues over which the participants of calls are spread. All processes and publishers must agree.
    pub partitions: u32,
    /// RabbitMQ: messages of the interactive lane that this process may hold at once. At least `workers.permits`, so that
    /// messages with one item each can fill them.
    pub prefetch: u16,
    /// RabbitMQ: messages of the bulk lane that this process may hold at once; they may be pictures of many megabytes.
    pub bulk_prefetch: u16,
    /// RabbitMQ: frames of one partition that this process may hold at once; at least the participants that one partition
    /// has at the busiest time, because one frame of each waits in this process.
    pub live_prefetch: u16,
    /// Processes that may be lost while they judge one item and nothing else, before it is given up.
    pub delivery_limit: u32,
    /// RabbitMQ: seconds that publishing may take before it is refused.
    pub publish_seconds: u64,
    /// RabbitMQ: folder, shared with publishers, below which messages may name their picture instead of carrying it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blob_folder: Option<PathBuf>,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            url: "memory:".into(),
            interactive_capacity: 20_000,
            live_capacity: 20_000,
            bulk_capacity: 50_000,
            live_max_age_ms: 2_000,
            prefix: "chaperone".into(),
            partitions: 16,
            prefetch: 256,
            bulk_prefetch: 32,
            live_prefetch: 256,
            delivery_limit: 5,
            publish_seconds: 5,
            blob_folder: None,
        }
    }
}

impl QueueConfig {
    /// Items that may wait, per lane in the order of `Lane::ALL`.
    pub fn capacity(&self) -> [usize; 3] {
        [self.interactive_capacity, self.live_capacity, self.bulk_capacity]
    }

    /// Time for which a call frame may wait for its turn: what its verdict then takes still fits into `live_max_age_ms`.
    pub fn live_wait(&self) -> std::time::Duration {
        std::time::Duration::from_millis(self.live_max_age_ms - self.live_max_age_ms / 4)
    }

    /// Can messages of one item each fill `permits`? Only a broker limits that. Errors: `Invalid` with `queue_prefetch`.
    pub fn check_prefetch(&self, permits: usize) -> Result<(), PipelineError> {
        if self.url.starts_with("amqp") && usize::from(self.prefetch) < permits {
            let message = format!(
                "queue.prefetch is {}, below workers.permits, which is {permits}: set queue.prefetch to {permits} or more",
                self.prefetch
            );
            return Err(PipelineError::invalid("queue_prefetch", message));
        }
        Ok(())
    }
}

/// Where rows live. Section `[store]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// `sqlite:<path>`, created when missing, or `postgres://user:password@host:5432/database?connections=8`, which several
    /// processes may share; `connections` is the most that each of them opens for statements.
    pub url: String,
    /// Days that context texts, events and settled deliveries are kept.
    pub retention_days: u32,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { url: "sqlite:data/chaperone.db".into(), retention_days: 30 }
    }
}

/// Where vectors live. Section `[index]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IndexConfig {
    /// `edge:<folder>`, created when missing; or the gRPC address of a Qdrant server: `http://<host>:6334`, `https://<host>:<port>`.
    pub url: String,
    /// API key of the Qdrant server.
    pub api_key: Option<Secret>,
    /// Collection on the Qdrant server; created when missing.
    pub collection: String,
    /// Milliseconds that one call to the Qdrant server may take, its further tries included.
    pub timeout_ms: u64,
    /// Milliseconds that connecting to the Qdrant server may take.
    pub connect_timeout_ms: u64,
    /// How an embedded index keeps vectors in memory. On a Qdrant server this belongs to the collection.
    pub quantization: Quantization,
    /// Threads that build an embedded index's graphs in the background.
    pub build_threads: usize,
    /// A search of an embedded index compares with everybody who passes its filter, up to so many: exact. Costs a byte of memory for each
    /// number of a vector. 0: never.
    pub exact_up_to: usize,
    /// Points that a search keeps in view when more pass: more find more, slower.
    pub beam: usize,
    /// Share of points (0 to 1) up to which a filter makes searches of an embedded index look at neighbours of neighbours, too: they find more
    /// where few fit, slower. 0: never.
    pub second_neighbours: f64,
    /// Where the vectors of `pipeline.next_embedding_model` are, in place of `url`; the same server when unset.
    pub next_url: Option<String>,
    /// Their collection on a Qdrant server.
    pub next_collection: String,
}

/// How an embedded index keeps vectors in memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantization {
    /// As they are.
    #[default]
    None,
    /// One byte for each number: a quarter of the memory. The whole vectors lie on the disk; what is found is compared again with them.
    Int8,
}

impl Default for IndexConfig {
    fn default() -> Self {
        Self {
            url: "edge:data/index".into(),
            api_key: None,
            collection: "chaperone_profiles".into(),
            timeout_ms: 5_000,
            connect_timeout_ms: 1_000,
            quantization: Quantization::None,
            build_threads: 1,
            exact_up_to: 100_000,
            beam: 512,
            second_neighbours: 0.0,
            next_url: None,
            next_collection: "chaperone_profiles_next".into(),
        }
    }
}

impl IndexConfig {
    /// Sensible beams of a graph search.
    pub const BEAMS: std::ops::RangeInclusive<usize> = 16..=4_096;

    /// What is out of reason in the numbers, if anything, with the ends that they have.
    pub fn problem(&self) -> Option<String> {
        if !Self::BEAMS.contains(&self.beam) {
            let (least, most) = (Self::BEAMS.start(), Self::BEAMS.end());
            return Some(format!("index.beam is {}: it must be {least} to {most}", self.beam));
        }
        if !(0.0..=1.0).contains(&self.second_neighbours) {
            return Some(format!("index.second_neighbours is {}: it must be 0 to 1", self.second_neighbours));
        }
        (self.build_threads == 0).then(|| "index.build_threads is 0: it must be at least 1".to_owned())
    }

    /// Is the index a folder of this process?
    pub fn is_embedded(&self) -> bool {
        self.url.starts_with("edge:")
    }

    /// The index of the embedding model that is to take over.
    #[must_use]
    pub fn of_next(&self) -> Self {
        let url = match (&self.next_url, self.url.strip_prefix("edge:")) {
            (Some(url), _) => url.clone(),
            (None, Some(folder)) => format!("edge:{}-next", folder.trim_end_matches('/')),
            (None, None) => self.url.clone(),
        };
        Self { url, collection: self.next_collection.clone(), ..self.clone() }
    }

    /// The index of messages: a folder inside this one's, or another collection on the same server.
    #[must_use]
    pub fn of_messages(&self) -> Self {
        match self.url.strip_prefix("edge:") {
            Some(folder) => Self { url: format!("edge:{}/messages", folder.trim_end_matches('/')), ..self.clone() },
            None => Self { collection: format!("{}_messages", self.collection), ..self.clone() },
        }
    }
}

/// A text that is never shown: stars in debug output; `check-config` knows the keys that hold one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` from being shown.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: for whoever has to send it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("********")
    }
}

/// How items are judged. Section `[pipeline]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PipelineConfig {
    /// Policy file; empty means the built-in default policy.
    pub policy: Option<std::path::PathBuf>,
    /// Models that judge texts.
    pub text_models: Vec<String>,
    /// Least confidence (0 to 1) with which a text's language is named; below it the text is undetermined and every text model judges it.
    pub language_confidence: f64,
    /// Models that judge pictures and frames.
    pub picture_models: Vec<String>,
    /// Who is asked about pictures that those suspect.
    pub second_opinion: SecondOpinionConfig,
    /// Model that embeds profiles and queries.
    pub embedding_model: String,
    /// A model that is to take over: profiles are embedded by it, too (docs/matching.md).
    pub next_embedding_model: Option<String>,
    /// Longest text, in bytes.
    pub max_text_bytes: usize,
    /// Largest encoded picture, in bytes.
    pub max_picture_bytes: usize,
    /// Largest encoded call frame, in bytes.
    pub max_frame_bytes: usize,
    /// Largest decoded picture, in pixels; checked before memory is taken.
    pub max_pixels: u64,
    /// Messages of the same author in the same conversation that a text is judged with; 0 turns context off.
    pub context_messages: usize,
    /// Oldest message that counts as context, in seconds.
    pub context_seconds: u64,
    /// Verdict signals remembered for repeated texts; 0 turns the cache off.
    pub cache_entries: u64,
    /// What becomes of items whose models fail.
    pub on_model_failure: crate::fallback::ModelFailureConfig,
    /// Decode a JPEG that needs no hash at a half, a quarter or an eighth of its size where the models take no more. See config.default.toml.
    pub reduced_decoding: bool,
    /// Bits of a 64-bit picture hash by which a call frame may differ from the same participant's last judged one and still get
    /// its scores without inference; brightness and colour of every part must agree as well. 0 turns that off.
    pub frame_reuse_bits: u32,
    /// Seconds after which a participant's last judged frame stands for no others any more.
    pub frame_reuse_seconds: u64,
    /// Call frames per second that this process may ask all participants together to send (`next_frame_ms`); 0: as many as it
    /// finds out that it can judge.
    pub frame_budget_per_second: u32,
    /// Who meets whom.
    pub matching: MatchingConfig,
}

/// Section `[pipeline.matching]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MatchingConfig {
    /// People on a daily list.
    pub list_length: usize,
    /// How evenly people are shown: 0 (by score alone) to 2 (almost equally).
    pub fairness: f64,
    /// Seconds after which a ticket of live pairing ends that nobody asked for again.
    pub ticket_seconds: u32,
    /// Seconds in which no two people are paired twice.
    pub cool_down_seconds: u32,
    /// Seconds of waiting after which soft limits are gone.
    pub patience_seconds: u32,
    /// Least score (0 to 1) of two people who have just come to live pairing.
    pub least_score: f64,
    /// Seconds of waiting that are worth as much as the difference between the worst and the best score.
    pub aging_seconds: u32,
    /// Seconds that each tier is ahead of those who came at the same time; tier 0 first.
    pub head_start_seconds: Vec<u32>,
}

impl Default for MatchingConfig {
    fn default() -> Self {
        Self {
            list_length: 20,
            fairness: 0.5,
            ticket_seconds: 60,
            cool_down_seconds: 86_400,
            patience_seconds: 60,
            least_score: 0.2,
            aging_seconds: 60,
            head_start_seconds: vec![0, 30, 60],
        }
    }
}

impl Default for PipelineConfig {
    fn default() -> Self {
        Self {
            policy: None,
            text_models: vec!["toxicity-minilm".into()],
            language_confidence: 0.7,
            picture_models: vec!["nsfw-mobilenet".into()],
            second_opinion: SecondOpinionConfig::default(),
            embedding_model: "embed-minilm".into(),
            next_embedding_model: None,
            max_text_bytes: 20_000,
            max_picture_bytes: 20 << 20,
            max_frame_bytes: 256 << 10,
            max_pixels: 50_000_000,
            context_messages: 5,
            context_seconds: 600,
            cache_entries: 100_000,
            on_model_failure: crate::fallback::ModelFailureConfig::default(),
            reduced_decoding: false,
            frame_reuse_bits: 2,
            frame_reuse_seconds: 10,
            frame_budget_per_second: 0,
            matching: MatchingConfig::default(),
        }
    }
}
