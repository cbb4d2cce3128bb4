//! The people half of moderation: what reviewers look at, decide and answer for. Pure; [`crate::store::desk`] keeps it.
//!
//! | part | module |
//! |---|---|
//! | what a reviewer works on, and what is kept to judge it | [`case`] |
//! | which queue, how urgent, until when | [`routing`] |
//! | what a reviewer decides | [`decision`] |
//! | two people who judged the same | [`agreement`] |
//! | how far a reporter is believed, where a report stands | [`reporter`] |
//! | objections to a decision | [`appeal`] |
//! | who did what, so that nobody can change it unseen | [`audit`] |
//! | who may do what in the console | [`staff`] |
//! | what a law asks to be written down | [`statement`] |
//! | what a message said, when | [`version`] |
//! | what reviewing costs the reviewer | [`wellness`] |

pub mod agreement;
pub mod appeal;
pub mod audit;
pub mod case;
pub mod decision;
pub mod reporter;
pub mod routing;
pub mod staff;
pub mod statement;
pub mod version;
pub mod wellness;
