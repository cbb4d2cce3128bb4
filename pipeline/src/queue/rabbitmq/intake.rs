//! What becomes of a message when it arrives: items for the inbox, or copies of it somewhere else.
//!
//! A message whose worker was lost is looked at with care, because one of its items may be the cause: a batch is taken apart
//! into messages of their own, and an item that came back twice goes to the lane's suspects (`suspects`), which are judged
//! alone. So the item that kills workers ends alone in the dead letters, and its neighbours are judged.

use std::{sync::Arc, time::Duration};

use lapin::message::Delivery;
use models::Lane;

use super::{
    blob::{self, Missing},
    headers,
    held::{self, Message},
    inbox::{self, Ready},
    message::{self, LARGE_BODY, Letter, Malformed, Opened, Parcel},
    names,
    session::{Outgoing, Refusal},
    shared::Shared,
};
use crate::queue::{SUSPECT_AFTER, fresh::Shed};

/// Header: a file that holds the content.
const BLOB: &str = "blob";
/// Wait of a message whose blob cannot be read now.
const AWAY: Duration = Duration::from_secs(5);
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
    /// Once more as a new message that counts the lost worker (frames: their queue does not count).
    Renew,
    /// Given up.
    Bury,
}

/// Decides by the number of workers that were `lost` with it, or for frames by `redelivered` too, which tells of one more.
fn care(origin: Origin, batch: bool, lost: u32, redelivered: bool) -> Care {
    match origin {
        Origin::Partition(_) if redelivered && lost >= FRAME_LIMIT => Care::Bury,
        Origin::Partition(_) if redelivered => Care::Renew,
        Origin::Lane(_) if batch && (redelivered || lost > 0) => Care::Split,
        Origin::Lane(_) if lost >= SUSPECT_AFTER => Care::Suspect,
        // A suspect's count is its queue's: a copy would begin anew.
        _ => Care::None,
    }
}

impl Shared {
    /// Takes a message in.
    pub(super) async fn take_in(self: &Arc<Self>, origin: Origin, delivery: Delivery) {
        let now = self.clock.now();
        let Delivery { properties, data, acker, redelivered, .. } = delivery;
        let table = headers::of(&properties);
        let returned = headers::count(&table, names::DELIVERY_COUNT);
        let opened = match headers::text(&table, BLOB).map(str::to_owned) {
            Some(name) => match self.open_blob(name, data, &properties).await {
                Ok(opened) => Some(opened),
                Err(body) => return self.wait_for_blobs(origin, Letter { body, properties }, &acker).await,
            },
            None if data.len() > LARGE_BODY => {
                let read = properties.clone();
                tokio::task::spawn_blocking(move || message::open(data, &read, now)).await.ok()
            }
            None => Some(message::open(data, &properties, now)),
        };
        let Some(mut opened) = opened else {
            // A defect of ours: the broker counts it, and gives the message up at the limit.
            let _ = held::give_back(&acker).await;
            return;
        };
        // Suspects are judged alone: a worker that was lost with one was lost while it tried this one and nothing else.
        let suspect = matches!(origin, Origin::Suspects(_));
        let tries = if suspect { returned } else { 0 };
        for parcel in opened.parcels.iter_mut().flatten() {
            parcel.attempts = parcel.attempts.saturating_add(tries);
            parcel.lost = parcel.lost.saturating_add(returned);
        }
        let batch = opened.batch && opened.parcels.len() > 1;
        let lost = headers::count(&table, names::LOST).saturating_add(returned);
        let message = Message::new(acker, opened.parcels.len(), lost == 0 && !suspect);
        let care = care(origin, batch, lost, redelivered);
        if care != Care::None && self.pass_on(&care, &opened, origin.lane(), &properties, &message).await {
            return;
        }
        self.admit(opened, origin, &properties, &message).await;
    }

    /// Opens a message whose content lies in the blob folder. `Err`: the folder cannot be read now; the body again.
    async fn open_blob(
        &self,
        name: String,
        body: Vec<u8>,
        properties: &lapin::BasicProperties,
    ) -> Result<Opened, Vec<u8>> {
        let folder = self.config.blob_folder.clone();
        let reading = tokio::task::spawn_blocking(move || blob::read(folder.as_deref(), &name)).await;
        match reading.unwrap_or(Err(Missing::Away)) {
            Ok(bytes) => Ok(message::open(bytes, properties, self.clock.now())),
            Err(Missing::Refused(code)) => Ok(message::refused(code, body)),
            Err(Missing::Away) => Err(body),
        }
    }

    /// A message comes back later, as it is: that a volume is away says nothing about it.
    async fn wait_for_blobs(&self, origin: Origin, letter: Letter, acker: &lapin::Acker) {
        tracing::warn!("queue.blob_folder cannot be read: is its volume mounted? Messages that name a file wait");
        let lane = origin.lane();
        let key = match origin {
            Origin::Lane(lane) => names::lane_key(lane),
            Origin::Suspects(lane) => names::suspects_key(lane),
            Origin::Partition(partition) => names::partition_key(partition),
        };
        let waiting = self.to_wait(lane.as_str(), names::wait_for(AWAY), key, letter);
        let settled = match self.publish(&[waiting]).await {
            Ok(()) => acker.ack(lapin::options::BasicAckOptions::default()).await.map(drop),
            Err(_) => {
                let _ = held::give_back(acker).await;
                Ok(())
            }
        };
        if let Err(error) = settled {
            tracing::debug!(%error, "a message that waits for its blob is there twice");
        }
    }

    /// Publishes a message that came back as what it has become, and settles it. `false`: there is no room, its items are to be handed out
    /// as they are.
    async fn pass_on(
        &self,
        care: &Care,
        opened: &Opened,
        lane: Lane,
        properties: &lapin::BasicProperties,
        message: &Message,
    ) -> bool {
        let suspects = || self.copies(opened, lane, 0, properties, Some(&names::suspects_key(lane)));
        let copies = match care {
            Care::None => return false,
            // The broker may not have counted its first loss.
            Care::Split => self.copies(opened, lane, u32::from(message.is_new()), properties, None),
            Care::Suspect => suspects(),
            Care::Renew => self.copies(opened, lane, 1, properties, None),
            Care::Bury => self.burials(opened, lane, properties),
        };
        let mut published = self.publish(&copies).await;
        let mut suspected = *care == Care::Suspect;
        if published == Err(Refusal::Full) && *care == Care::Split {
            // The lane is full. Back as a batch they would be lost together again.
            published = self.publish(&suspects()).await;
            suspected = true;
        }
        match published {
            Ok(()) => {
                let _ = message.settle(opened.parcels.len()).await;
                if suspected {
                    self.inbox().suspect();
                    self.wake.notify_waiters();
                }
                true
            }
            Err(Refusal::Away(words)) => {
                tracing::debug!(words, "a message that came back cannot be passed on now");
                let _ = message.give_back().await;
                true
            }
            Err(Refusal::Full) => false,
        }
    }

    /// Lets the items wait for their turn; what is no item is given up with its reason.
    async fn admit(
        self: &Arc<Self>,
        opened: Opened,
        origin: Origin,
        properties: &lapin::BasicProperties,
        message: &Arc<Message>,
    ) {
        let (lane, mut bad) = (origin.lane(), Vec::new());
        {
            let now = self.clock.now();
            let mut inbox = self.inbox();
            for parcel in opened.parcels {
                match parcel {
                    Err(malformed) => bad.push(malformed),
                    Ok(parcel) => {
                        let ready = Ready { parcel, lane, message: Arc::clone(message) };
                        if matches!(origin, Origin::Suspects(_)) {
                            inbox.push_suspect(ready);
                        } else {
                            inbox.push(ready, now);
                        }
                    }
                }
            }
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

    /// Each item as a message of its own, `more` lost workers behind it.
    fn copies(
        &self,
        opened: &Opened,
        lane: Lane,
        more: u32,
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
                    let parcel = Parcel { lost: parcel.lost.saturating_add(more), ..parcel.clone() };
                    copies.push(self.to_items(key.map_or_else(own, str::to_owned), message::write_one(&parcel)));
                }
            }
        }
        copies
    }

    fn burials(&self, opened: &Opened, lane: Lane, properties: &lapin::BasicProperties) -> Vec<Outgoing> {
        let bury = |parcel: &Result<Parcel, Malformed>| match parcel {
            Ok(parcel) => self.to_dead(message::write_one(parcel), lane, parcel.attempts, names::LOST_WITH_WORKERS),
            Err(malformed) => self.bury_malformed(malformed, lane, properties),
        };
        opened.parcels.iter().map(bury).collect()
    }

    fn bury_malformed(&self, malformed: &Malformed, lane: Lane, properties: &lapin::BasicProperties) -> Outgoing {
        let letter = Letter { body: malformed.body.clone(), properties: properties.clone() };
        self.to_dead(letter, lane, 1, malformed.code)
    }

    /// Gives back what waits and was not handed out, when nothing more arrives.
    pub(super) async fn give_back_waiting(&self) {
        let groups = self.inbox().drain();
        for group in groups {
            let Some(message) = group.first().map(|ready| Arc::clone(&ready.message)) else { continue };
            // The broker counts what is given back as if a worker had been lost. Once does no harm to a single item; a batch would be
            // taken apart, and an item that was lost before would become a suspect.
            if message.is_single() && message.is_whole(group.len()) && message.is_new() {
                let _ = message.give_back().await;
                continue;
            }
            let (lane, count) = (group[0].lane, group.len());
            let parcels: Vec<Parcel> = group.into_iter().map(|ready| ready.parcel).collect();
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
    fn i7_what_came_back_is_looked_at_with_care() {
        let (lane, suspects, partition) =
            (Origin::Lane(Lane::Bulk), Origin::Suspects(Lane::Bulk), Origin::Partition(3));
        for (name, origin, batch, lost, redelivered, expected) in [
            ("new", lane, false, 0, false, Care::None),
            ("a new batch", lane, true, 0, false, Care::None),
            ("came back once", lane, false, 1, true, Care::None),
            ("came back twice", lane, false, 2, true, Care::Suspect),
            ("came back in a batch, then alone", lane, false, 2, false, Care::Suspect),
            ("a suspect stays one", suspects, false, 4, true, Care::None),
            ("suspects in one message keep their count", suspects, true, 4, true, Care::None),
            ("a batch that came back", lane, true, 1, true, Care::Split),
            ("a batch that came back uncounted", lane, true, 0, true, Care::Split),
            ("a new frame", partition, false, 0, false, Care::None),
            ("a frame that came back", partition, false, 0, true, Care::Renew),
            ("a frame that came back again", partition, false, 2, true, Care::Bury),
        ] {
            assert_eq!(care(origin, batch, lost, redelivered), expected, "{name}");
        }
    }
}
