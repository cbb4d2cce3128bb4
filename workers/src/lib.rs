//! Deliveries in, acks out: consumers, the outbox, background duties, shutdown.
