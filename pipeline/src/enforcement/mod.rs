//! What becomes of decisions: who was told what, strikes, what ends by itself, what is taken back. Pure.
//!
//! | part | module |
//! |---|---|
//! | one thing that was done to somebody, and what became of it | [`entry`] |
//! | what is known of a person when their next item is judged | [`person`] |
//! | strikes: weights, how long they count, what so many of them lead to | [`strikes`] |
//! | how every action is taken back | [`inverse`] |
//! | how many bans a day a program may decide | [`breaker`] |
//! | traces by which the banned are known again | [`evasion`] |
//! | how long we wait for the platform's word, and how often we ask again | [`acknowledge`] |

pub mod acknowledge;
pub mod breaker;
pub mod entry;
pub mod evasion;
pub mod inverse;
pub mod person;
pub mod strikes;
