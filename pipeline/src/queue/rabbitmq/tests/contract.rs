use super::broker::corner;

crate::queue::contract::queue_contract!(corner);
