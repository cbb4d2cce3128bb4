//! The contract on a private broker, and what is special here.

mod broker;
mod contract;
mod crashes;
mod guests;
mod live;
mod measure;
mod outage;
