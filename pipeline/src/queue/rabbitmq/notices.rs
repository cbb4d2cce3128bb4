//! Events from the platform.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::StreamExt;
use lapin::{Acker, Channel};

use super::{
    consume::{cancelled, closing, subscribe},
    headers,
    held::{self, Message},
    message::Letter,
    names::{self, PLATFORM_KEY},
    session::{Outgoing, Refusal},
    shared::{Shared, stamp},
};
use crate::{
    error::PipelineError,
    notice::Notice,
    queue::{NoticeDelivery, SettleNotice},
};

struct Ticket {
    shared: Arc<Shared>,
    letter: Letter,
    acker: Acker,
    message: Arc<Message>,
}

/// Hands events to the receiver; waits while it has enough.
pub(super) async fn consume(shared: &Arc<Shared>, channel: &Channel) -> Result<(), lapin::Error> {
    let mut consumer = subscribe(channel, &shared.names.platform(), false).await?;
    loop {
        let delivery = tokio::select! {
            biased;
            () = closing(shared) => return std::future::pending().await,
            next = consumer.next() => match next {
                Some(Ok(delivery)) => delivery,
                Some(Err(error)) => return Err(error),
                None => return Err(cancelled()),
            }
        };
        let notice = Notice::parse(&delivery.data);
        let letter = Letter { body: delivery.data, properties: delivery.properties };
        let message = Message::new(delivery.acker.clone(), 1, true);
        let ticket = Ticket { shared: Arc::clone(shared), letter, acker: delivery.acker, message };
        // Room for as many as the broker gives us at once: this waits for nobody.
        if shared.notice_in.send(NoticeDelivery::new(notice, Arc::new(ticket))).await.is_err() {
            return Err(cancelled());
        }
    }
}

impl Ticket {
    async fn passed_on(&self, copy: Outgoing) -> Result<(), PipelineError> {
        match self.shared.publish(&[copy]).await {
            Ok(()) => self.message.settle(1).await,
            Err(refusal) => {
                let _ = self.message.give_back().await;
                Err(Refusal::into_error(refusal))
            }
        }
    }
}

#[async_trait]
impl SettleNotice for Ticket {
    async fn ack(&self) -> Result<(), PipelineError> {
        self.message.settle(1).await
    }

    async fn retry(&self, after: Duration) -> Result<(), PipelineError> {
        let key = PLATFORM_KEY.to_owned();
        let waiting = self.shared.to_wait(PLATFORM_KEY, names::wait_for(after), key, self.letter.clone());
        self.passed_on(waiting).await
    }

    async fn reject(&self, reason: &str) -> Result<(), PipelineError> {
        let died_at = self.shared.clock.now().to_rfc3339();
        let letter = stamp(self.letter.clone(), |table| {
            headers::put(table, names::REASON, reason);
            headers::put(table, names::DIED_AT, &died_at);
        });
        let key = self.shared.names.platform_dead();
        self.passed_on(Outgoing { exchange: String::new(), key, letter, mandatory: true }).await
    }

    fn abandon(&self) {
        let acker = self.acker.clone();
        self.shared.runtime.spawn(async move { held::give_back(&acker).await });
    }
}
