//! State over time, pure: no clock, no IO. Callers pass the time in.
//!
//! | part | module |
//! |---|---|
//! | calls as sessions, and what is remembered of one participant | [`call`] |
//! | transitions that are told late, in any order, more than once | [`heard`] |
//! | whether a frame shows the same as the last one that was judged | [`likeness`] |
//! | how soon the next frame should be sent, by risk and budget | [`sampling`] |
//! | violations in a sliding window and what they lead to | [`ladder`] |
//! | how many frames in a row are suspected | [`suspicion`] |
//! | the last messages of an author, judged together with the new one | [`context`] |

pub mod call;
pub mod context;
pub mod heard;
pub mod ladder;
pub mod likeness;
pub mod sampling;
pub mod suspicion;
