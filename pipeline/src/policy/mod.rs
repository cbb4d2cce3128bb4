//! Policy: what the platform forbids, as data. CONTRACT: public names are fixed; the body is being written.

/// The policies in force, per tenant, replaceable while running.
pub struct PolicySet;
