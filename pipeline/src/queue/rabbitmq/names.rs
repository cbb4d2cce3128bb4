//! Names in the broker and the rules that other teams have to repeat: which partition, which wait. Pure. docs/queue.md is
//! the contract made of them.

use std::time::Duration;

use models::Lane;

/// Header: tries of the item itself that ended without a verdict before this message was published.
pub(super) const ATTEMPTS: &str = "chaperone-attempts";
/// Header: workers that were lost with the item in their hands, among others, before this message was published.
pub(super) const LOST: &str = "chaperone-lost";
/// Header: the lane, on messages whose routing key does not tell.
pub(super) const LANE: &str = "chaperone-lane";
/// Header: the wait queue that a message is meant for, in milliseconds.
pub(super) const WAIT: &str = "chaperone-wait";
/// Header: why an item was given up.
pub(super) const REASON: &str = "chaperone-reason";
/// Header: when an item was given up.
pub(super) const DIED_AT: &str = "chaperone-died-at";
/// Header: counts the deliveries of a message that ended with a lost worker or a rejected delivery; the broker's own.
pub(super) const DELIVERY_COUNT: &str = "x-delivery-count";
/// Header: the broker's history of dead-lettering.
pub(super) const X_DEATH: &str = "x-death";

/// Reason of a live frame that was given up: several workers were lost while they had it, others among them.
pub(super) const LOST_WITH_WORKERS: &str = "lost_with_workers";

/// Waits that have a queue, in milliseconds. A retry takes the shortest that is long enough, or the longest.
pub(super) const WAITS_MS: [u32; 5] = [200, 1_000, 5_000, 30_000, 120_000];

/// The wait queue for a wait of `after`.
pub(super) fn wait_for(after: Duration) -> u32 {
    let wanted = after.as_millis();
    let longest = WAITS_MS[WAITS_MS.len() - 1];
    WAITS_MS.into_iter().find(|ms| u128::from(*ms) >= wanted).unwrap_or(longest)
}

/// The partition of a participant's frames: CRC-32 (IEEE) of tenant, a zero byte, call, a zero byte, participant, modulo
/// the number of partitions.
pub fn partition(tenant: &str, call: &str, participant: &str, partitions: u32) -> u32 {
    let parts = [tenant.as_bytes(), &[0], call.as_bytes(), &[0], participant.as_bytes()];
    let crc = parts
        .into_iter()
        .flatten()
        .fold(u32::MAX, |crc, byte| (crc >> 8) ^ CRC_TABLE[usize::from(crc.to_le_bytes()[0] ^ byte)]);
    !crc % partitions.max(1)
}

/// CRC-32 with the reflected polynomial of IEEE 802.3, as zlib has it.
const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// Every name that begins with one prefix.
#[derive(Debug, Clone)]
pub(super) struct Names {
    prefix: String,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    fn name(&self, rest: &str) -> String {
        format!("{}.{rest}", self.prefix)
    }

    /// Exchange that items are published to.
    pub(super) fn items(&self) -> String {
        self.name("items")
    }

    /// Exchange of the wait queues.
    pub(super) fn waits(&self) -> String {
        self.name("waits")
    }

    /// Exchange of our events.
    pub(super) fn events(&self) -> String {
        self.name("events")
    }

    /// Exchange of the platform's events, and the queue that holds them for us.
    pub(super) fn platform(&self) -> String {
        self.name("platform")
    }

    /// Queue of the platform's events that were given up.
    pub(super) fn platform_dead(&self) -> String {
        self.name("platform.dead")
    }

    /// Exchange on which workers with live frames find each other.
    pub(super) fn members(&self) -> String {
        self.name("members")
    }

    /// Queue of items that were given up.
    pub(super) fn dead(&self) -> String {
        self.name("dead")
    }

    /// Queue of a lane.
    pub(super) fn lane(&self, lane: Lane) -> String {
        self.name(lane.as_str())
    }

    /// Queue of a lane's items whose worker was lost more than once: judged alone.
    pub(super) fn suspects(&self, lane: Lane) -> String {
        self.name(&suspects_key(lane))
    }

    /// Queue of a partition of the live frames.
    pub(super) fn partition(&self, partition: u32) -> String {
        self.name(&partition_key(partition))
    }

    /// Queue of what waits: `of` is a lane or `platform`.
    pub(super) fn wait(&self, of: &str, ms: u32) -> String {
        self.name(&format!("wait.{of}.{ms}"))
    }
}

/// Routing key of a lane.
pub(super) fn lane_key(lane: Lane) -> String {
    lane.as_str().to_owned()
}

/// Routing key of a partition of the live frames.
pub(super) fn partition_key(partition: u32) -> String {
    format!("live.{partition}")
}

/// Routing key of a lane's suspects.
pub(super) fn suspects_key(lane: Lane) -> String {
    format!("suspects.{}", lane.as_str())
}

/// Routing key of platform events that come back from a wait.
pub(super) const PLATFORM_KEY: &str = "platform";

/// The lane that a queue's name tells, for broker-made dead letters.
pub(super) fn lane_of_queue(queue: &str) -> Lane {
    let last = |lane: &Lane| queue.ends_with(&format!(".{}", lane.as_str()));
    Lane::ALL.into_iter().find(last).unwrap_or(Lane::Live)
}

/// Is this a queue of suspects?
pub(super) fn is_of_suspects(queue: &str) -> bool {
    queue.contains(".suspects.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_those_of_zlib_crc32() {
        // python3 -c 'import zlib; print(zlib.crc32(b"t\0call-1\0ann"))' and so on.
        for (tenant, call, participant, crc) in CRCS {
            assert_eq!(partition(tenant, call, participant, u32::MAX), crc % u32::MAX, "{tenant} {call} {participant}");
            assert_eq!(partition(tenant, call, participant, 16), crc % 16);
        }
        assert_eq!(partition("t", "c", "p", 0), 0, "no division by zero");
    }

    const CRCS: [(&str, &str, &str, u32); 3] = [
        ("t", "call-1", "ann", 3_641_829_802),
        ("default", "room", "bob", 3_482_103_104),
        ("käse", "ü", "日本", 573_448_242),
    ];

    #[test]
    fn partitions_are_used_evenly() {
        let mut used = [0_u32; 16];
        for n in 0..16_000 {
            used[partition("t", &format!("call-{}", n / 2), &format!("user-{n}"), 16) as usize] += 1;
        }
        assert!(used.iter().all(|count| (800..1200).contains(count)), "{used:?}");
    }

    #[test]
    fn a_wait_takes_the_next_longer_queue() {
        for (wanted, queue) in [
            (0, 200),
            (200, 200),
            (201, 1_000),
            (1_000, 1_000),
            (29_999, 30_000),
            (60_000, 120_000),
            (3_600_000, 120_000),
        ] {
            assert_eq!(wait_for(Duration::from_millis(wanted)), queue, "{wanted}");
        }
    }

    #[test]
    fn a_queue_tells_its_lane() {
        let names = Names::new("a.b");
        for lane in Lane::ALL {
            assert_eq!(lane_of_queue(&names.lane(lane)), lane);
            assert_eq!(lane_of_queue(&names.suspects(lane)), lane);
            assert!(is_of_suspects(&names.suspects(lane)) && !is_of_suspects(&names.lane(lane)));
        }
        assert_eq!(lane_of_queue(&names.partition(7)), Lane::Live);
    }
}
