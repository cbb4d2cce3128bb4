//! Who should meet whom. Pure: no clock, no randomness of its own, no IO; the caller passes both in.
//!
//! | part | module |
//! |---|---|
//! | what a person says of themselves, and whom they seek | [`person`] |
//! | hard limits of both sides; the same as conditions of the vector index | [`filter`] |
//! | what moderation thinks of a person | [`standing`] |
//! | how people behaved, shrunk towards everybody's mean | [`behaviour`] |
//! | the parts of a score, and what a pair looks like in numbers | [`feature`] |
//! | the learned combination of the parts, with its doubt | [`learner`] |
//! | the score of a pair, both directions, explained | [`score`] |
//! | what somebody likes beyond what everybody likes | [`taste`] |
//! | trying out what is not known yet | [`exploration`] |
//! | who comes onto a list, in which order | [`shortlist`] |
//! | nobody is shown to everybody, nobody to no one | [`exposure`] |
//! | a list that is not ten times the same | [`diversity`] |
//! | people who wait now | [`pairing`], [`assignment`] |
//! | why two people fit, and what to say first | [`compatibility`], [`icebreaker`] |
//! | what is remembered of people and between them | [`meeting`] |
//! | a profile's picture, known again | [`avatar`] |
//! | dice, seeded by the caller | [`dice`] |

pub mod assignment;
pub mod avatar;
pub mod behaviour;
pub mod compatibility;
pub mod dice;
pub mod diversity;
pub mod exploration;
pub mod exposure;
pub mod feature;
pub mod filter;
pub mod icebreaker;
pub mod learner;
pub mod meeting;
pub mod pairing;
pub mod person;
pub mod score;
pub mod shortlist;
pub mod standing;
pub mod taste;
