//! What becomes of a message when it arrives: items for the inbox, or copies of it somewhere else.
//!
//! A message whose worker was lost is looked at with care, because one of its items may be the cause: a batch is taken apart
//! into messages of their own, and an item that came back twice goes to the lane's suspects, of which each worker holds one
//! at a time. So the item that kills workers ends alone in the dead letters, and its neighbours are judged.

use std::sync::Arc;

use lapin::message::Delivery;
use models::Lane;

use super::{
    headers,
    held::{self, Message},
    inbox::{self, Ready},
    message::{self, LARGE_BODY, Letter, Malformed, Opened, Parcel},
    names,
    session::{Outgoing, Refusal},
    shared::Shared,
};
use crate::queue::fresh::Shed;

/// Lost workers after which an item is a suspect.
const SUSPECT_AFTER: u32 = 2;
/// Lost workers after which a live frame is given up.
const FRAME_LIMIT: u32 = 2;

/// Where a message came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Lane(Lane),
    Suspects(Lane),
    Partition(u32),
}

impl Origin {
    fn lane(self) -> Lane {
        match self {
            Self::Lane(lane) | Self::Suspects(lane) => lane,
            Self::Partition(_) => Lane::Live,
        }
    }
}

/// What to do with a message that came back.
#[derive(Debug, PartialEq, Eq)]
enum Care {
    /// Hand its items out.
    None,
    /// Each item as a message of its own.
    Split,
    /// To the suspects.
    Suspect,
    /// Once more as a new message that counts the try (frames: their queue does not count).
    Renew,
    /// Given up.
    Bury,
}

/// Decides by what the broker says: `returned` deliveries that were not settled, or for frames `redelivered` alone.
fn care(origin: Origin, batch: bool, returned: u32, redelivered: bool, attempts: u32) -> Care {
    match origin {
        Origin::Partition(_) if redelivered && attempts >= FRAME_LIMIT => Care::Bury,
        Origin::Partition(_) if redelivered => Care::Renew,
        _ if batch && (redelivered || returned > 0) => Care::Split,
        Origin::Lane(_) if returned >= SUSPECT_AFTER => Care::Suspect,
        _ => Care::None,
    }
}

impl Shared {
    /// Takes a message in.
    pub(super) async fn take_in(self: &Arc<Self>, origin: Origin, delivery: Delivery) {
        let now = self.clock.now();
        let Delivery { properties, data, acker, redelivered, .. } = delivery;
        if self.inbox().closed {
            let _ = held::give_back(&acker).await;
            return;
        }
        let table = headers::of(&properties);
        let returned = headers::count(&table, names::DELIVERY_COUNT);
        let opened = if data.len() > LARGE_BODY {
            let read = properties.clone();
            let reading = tokio::task::spawn_blocking(move || message::open(data, &read, now)).await;
            match reading {
                Ok(opened) => opened,
                // A defect of ours: the broker counts it, and gives the message up at the limit.
                Err(_) => {
                    let _ = held::give_back(&acker).await;
                    return;
                }
            }
        } else {
            message::open(data, &properties, now)
        };
        let batch = opened.batch && opened.parcels.len() > 1;
        let attempts = headers::count(&table, names::ATTEMPTS);
        let lane = origin.lane();
        let copies = match care(origin, batch, returned, redelivered, attempts) {
            Care::None => None,
            Care::Split => Some(self.copies(&opened, lane, returned.max(1), &properties, None)),
            Care::Suspect => Some(self.copies(&opened, lane, returned, &properties, Some(&names::suspects_key(lane)))),
            Care::Renew => Some(self.copies(&opened, lane, 1, &properties, None)),
            Care::Bury => Some(self.burials(&opened, lane, &properties)),
        };
        let message = Message::new(acker, opened.parcels.len());
        if let Some(copies) = copies {
            match self.publish(&copies).await {
                Ok(()) => {
                    let _ = message.settle(opened.parcels.len()).await;
                    return;
                }
                Err(Refusal::Away(words)) => {
                    tracing::debug!(words, "a message that came back cannot be passed on now");
                    let _ = message.give_back().await;
                    return;
                }
                // No room for copies: its items are handed out as they are.
                Err(Refusal::Full) => {}
            }
        }
        self.admit(opened, lane, returned, &properties, &message).await;
    }

    /// Lets the items wait for their turn; what is no item is given up with its reason.
    async fn admit(
        self: &Arc<Self>,
        opened: Opened,
        lane: Lane,
        returned: u32,
        properties: &lapin::BasicProperties,
        message: &Arc<Message>,
    ) {
        let mut bad = Vec::new();
        let closed = {
            let now = self.clock.now();
            let mut inbox = self.inbox();
            for parcel in opened.parcels {
                match parcel {
                    Err(malformed) => bad.push(malformed),
                    Ok(_) if inbox.closed => {}
                    Ok(parcel) => {
                        let attempt = parcel.attempts.saturating_add(returned).saturating_add(1);
                        let ready = Ready { parcel, lane, attempt, message: Arc::clone(message) };
                        inbox.push(ready, now);
                    }
                }
            }
            inbox.closed
        };
        if closed {
            let _ = message.give_back().await;
            return;
        }
        self.wake.notify_waiters();
        self.tell_shed();
        for malformed in bad {
            tracing::warn!(reason = malformed.code, lane = lane.as_str(), "a message holds something that is no item");
            let dead = self.bury_malformed(&malformed, lane, properties);
            let settled = match self.publish(&[dead]).await {
                Ok(()) => message.settle(1).await,
                Err(_) => message.spoil().await,
            };
            if let Err(error) = settled {
                tracing::debug!(%error, "a malformed item comes back");
            }
        }
    }

    /// Each item as a message of its own, `tries` more behind it.
    fn copies(
        &self,
        opened: &Opened,
        lane: Lane,
        tries: u32,
        properties: &lapin::BasicProperties,
        key: Option<&str>,
    ) -> Vec<Outgoing> {
        let now = self.clock.now();
        let mut copies = Vec::with_capacity(opened.parcels.len());
        for parcel in &opened.parcels {
            match parcel {
                Err(malformed) => copies.push(self.bury_malformed(malformed, lane, properties)),
                Ok(parcel) => {
                    if inbox::is_frame(&parcel.item, lane)
                        && (now - inbox::age_from(&parcel.item)).to_std().is_ok_and(|age| age > self.max_age())
                    {
                        Shed::Stale.count();
                        continue;
                    }
                    let own = || message::key(&parcel.item, lane, self.config.partitions);
                    let parcel = Parcel { attempts: parcel.attempts.saturating_add(tries), ..parcel.clone() };
                    copies.push(self.to_items(key.map_or_else(own, str::to_owned), message::write_one(&parcel)));
                }
            }
        }
        copies
    }

    fn burials(&self, opened: &Opened, lane: Lane, properties: &lapin::BasicProperties) -> Vec<Outgoing> {
        let bury = |parcel: &Result<Parcel, Malformed>| match parcel {
            Ok(parcel) => self.to_dead(message::write_one(parcel), lane, parcel.attempts + 1, names::CRASHED_WORKER),
            Err(malformed) => self.bury_malformed(malformed, lane, properties),
        };
        opened.parcels.iter().map(bury).collect()
    }

    fn bury_malformed(&self, malformed: &Malformed, lane: Lane, properties: &lapin::BasicProperties) -> Outgoing {
        let letter = Letter { body: malformed.body.clone(), properties: properties.clone() };
        self.to_dead(letter, lane, 1, malformed.code)
    }

    /// Gives back what waits and was not handed out.
    pub(super) async fn give_back_waiting(&self) {
        let groups = self.inbox().drain();
        for group in groups {
            let Some(message) = group.first().map(|ready| Arc::clone(&ready.message)) else { continue };
            if message.is_whole(group.len()) {
                let _ = message.give_back().await;
                continue;
            }
            // Others of this message are judged, or about to be: only these go back, as they are.
            let lane = group[0].lane;
            let count = group.len();
            let parcels: Vec<Parcel> = group
                .into_iter()
                .map(|ready| Parcel { attempts: ready.attempt.saturating_sub(1), ..ready.parcel })
                .collect();
            let outgoing: Vec<Outgoing> = message::write(&parcels)
                .into_iter()
                .map(|(letter, range)| {
                    let key = message::key(&parcels[range.start].item, lane, self.config.partitions);
                    self.to_items(key, letter)
                })
                .collect();
            match self.publish(&outgoing).await {
                Ok(()) => {
                    let _ = message.settle(count).await;
                }
                // It comes back when the connection ends.
                Err(_) => tracing::debug!("items that were not handed out come back later"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_back_is_looked_at_with_care() {
        let (lane, suspects, partition) =
            (Origin::Lane(Lane::Bulk), Origin::Suspects(Lane::Bulk), Origin::Partition(3));
        for (name, origin, batch, returned, redelivered, attempts, expected) in [
            ("new", lane, false, 0, false, 0, Care::None),
            ("a new batch", lane, true, 0, false, 0, Care::None),
            ("retried before", lane, false, 0, false, 9, Care::None),
            ("came back once", lane, false, 1, true, 0, Care::None),
            ("came back twice", lane, false, 2, true, 0, Care::Suspect),
            ("a suspect stays one", suspects, false, 4, true, 2, Care::None),
            ("a batch that came back", lane, true, 1, true, 0, Care::Split),
            ("a batch that came back uncounted", lane, true, 0, true, 0, Care::Split),
            ("a new frame", partition, false, 0, false, 0, Care::None),
            ("a frame that came back", partition, false, 0, true, 0, Care::Renew),
            ("a frame that came back again", partition, false, 0, true, 2, Care::Bury),
        ] {
            assert_eq!(care(origin, batch, returned, redelivered, attempts), expected, "{name}");
        }
    }
}
