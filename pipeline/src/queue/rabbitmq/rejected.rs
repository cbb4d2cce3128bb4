//! Events of the platform that were given up: looking at them, telling them again, forgetting them.

use std::collections::HashSet;

use lapin::{
    Channel,
    message::Delivery,
    options::{BasicAckOptions, BasicGetOptions},
};
use uuid::Uuid;

use super::{
    dead::{as_first_sent, last_death, put_back},
    headers,
    message::Letter,
    names::{self, PLATFORM_KEY},
    session::{Refusal, unavailable},
    shared::{Shared, stamp},
    topology::short,
};
use crate::{error::PipelineError, queue::RejectedNotice};

/// Read in one look at most.
const MOST: usize = 10_000;

impl Shared {
    pub(super) async fn list_rejected(&self, limit: usize) -> Result<Vec<RejectedNotice>, PipelineError> {
        let channel = self.dead_channel().await?;
        let mut found = Vec::new();
        while found.len() < limit.min(MOST)
            && let Some((rejected, _)) = self.next_rejected(&channel).await?
        {
            found.push(rejected);
        }
        put_back(&channel).await;
        Ok(found)
    }

    /// Tells them again (`replay`), or forgets them.
    pub(super) async fn settle_rejected(&self, ids: Vec<Uuid>, replay: bool) -> Result<usize, PipelineError> {
        let wanted: HashSet<Uuid> = ids.into_iter().collect();
        let channel = self.dead_channel().await?;
        let mut settled = 0;
        for _ in 0..MOST {
            let Some((rejected, delivery)) = self.next_rejected(&channel).await? else { break };
            if !wanted.contains(&rejected.id) {
                continue;
            }
            if replay {
                let letter = stamp(Letter { body: delivery.data, properties: delivery.properties }, |_| {});
                let again = self.to_items(PLATFORM_KEY.to_owned(), as_first_sent(letter));
                self.publish(&[again]).await.map_err(Refusal::into_error)?;
            }
            delivery.acker.ack(BasicAckOptions::default()).await.map_err(|error| unavailable(&error))?;
            settled += 1;
        }
        put_back(&channel).await;
        Ok(settled)
    }

    async fn next_rejected(&self, channel: &Channel) -> Result<Option<(RejectedNotice, Delivery)>, PipelineError> {
        let got = channel.basic_get(short(&self.names.platform_dead()), BasicGetOptions::default()).await;
        let Some(message) = got.map_err(|error| unavailable(&error))? else { return Ok(None) };
        let delivery = message.delivery;
        let table = headers::of(&delivery.properties);
        let death = last_death(&table);
        let reason = headers::text(&table, names::REASON).map(str::to_owned);
        let reason = reason.or_else(|| death.as_ref().map(|(reason, ..)| reason.clone()));
        let at = headers::time(&table, names::DIED_AT).ok().flatten().or_else(|| death.and_then(|(.., at)| at));
        let (reason, at) = (reason.unwrap_or_else(|| "unknown".into()), at.unwrap_or_else(|| self.clock.now()));
        Ok(Some((RejectedNotice::of(&delivery.data, reason, at), delivery)))
    }
}
