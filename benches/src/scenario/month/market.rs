//! What a platform sees: profiles, who was shown to whom, likes and passes, matches, first messages; and an index of vectors in cells.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use pipeline::matching::{
    behaviour::observe,
    dice::Dice,
    exposure::attention,
    feature::{Someone, cosine},
    score::ScoreModel,
    taste,
};

use super::nature::{DIMENSIONS, Hidden, Vector};

/// Share of people who leave on a day, and of those who stop coming without a word. Others come in their place, of the silent ones after
/// [`SILENT_DAYS`].
const LEAVE: f64 = 0.006;
const LAPSE: f64 = 0.006;
const SILENT_DAYS: usize = 14;
/// Chance that a viewer looks at the next one on the list.
const GO_ON: f64 = 0.93;
/// Cells of the index.
const CELLS: usize = 64;
/// People who were there for less than this many days do not count.
const LEAST_DAYS: f64 = 7.0;
/// Days of a week of exposure.
const WEEK: usize = 7;

/// One person, as seen from outside, with what is hidden.
pub(super) struct Person {
    pub(super) hidden: Hidden,
    pub(super) someone: Someone,
    /// Never given twice.
    id: u32,
    /// Whom they answered.
    answered: Vec<u32>,
    /// Who likes them, and has no answer yet.
    pub(super) likers: Vec<(usize, u32)>,
    /// What their taste is made of: vector, answer, appeal of the candidate, newest last.
    newest: VecDeque<(Arc<[f32]>, bool, f64)>,
    /// Attention of this week.
    pub(super) shown: f64,
    cell: usize,
    seen_on: usize,
    lapsed_on: Option<usize>,
    life: Life,
}

/// What somebody got.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Life {
    pub(super) days: f64,
    pub(super) matches: u32,
    pub(super) answered: u32,
    pub(super) shown: f64,
}

/// What the index keeps of somebody, side by side in memory.
struct Spot {
    place: usize,
    id: u32,
    vector: Vector,
}

/// All of it.
pub(super) struct Market {
    pub(super) people: Vec<Person>,
    pub(super) model: ScoreModel,
    /// Showings that somebody looked at, and those of them that were liked.
    pub(super) looks: u64,
    pub(super) likes: u64,
    /// By popularity, best first, made every morning.
    pub(super) popular: Vec<usize>,
    /// side → cell → who.
    cells: [Vec<Vec<Spot>>; 2],
    centres: Vec<Vector>,
    /// (who likes, whom), by ids.
    liked: HashSet<(u32, u32)>,
    /// Stamp of the viewer who answered that id last: whom not to show.
    stamps: Vec<u32>,
    stamp: u32,
    day: usize,
    gone: Vec<Life>,
}

impl Market {
    /// `count` people, half of each side.
    pub(super) fn new(count: usize, nature: &mut Dice) -> Self {
        let centres = (0..CELLS).map(|_| Hidden::drawn(true, nature).profile).collect();
        let mut market = Self {
            people: Vec::with_capacity(count),
            model: ScoreModel::default(),
            looks: 0,
            likes: 0,
            popular: (0..count).collect(),
            cells: [(); 2].map(|()| (0..CELLS).map(|_| Vec::new()).collect()),
            centres,
            liked: HashSet::new(),
            stamps: Vec::new(),
            stamp: 0,
            day: 0,
            gone: Vec::new(),
        };
        for place in 0..count {
            let person = market.newcomer(place, place % 2 == 0, nature);
            market.people.push(person);
        }
        market
    }

    fn newcomer(&mut self, place: usize, side: bool, nature: &mut Dice) -> Person {
        let hidden = Hidden::drawn(side, nature);
        let cell = self.nearest_cells(&hidden.profile)[0];
        let id = self.stamps.len() as u32;
        self.cells[usize::from(side)][cell].push(Spot { place, id, vector: hidden.profile });
        self.stamps.push(0);
        let vector: Arc<[f32]> = hidden.profile.into();
        Person {
            hidden,
            someone: Someone { vector, idle_days: Some(0.0), ..Someone::default() },
            id,
            answered: Vec::new(),
            likers: Vec::new(),
            newest: VecDeque::new(),
            shown: 0.0,
            cell,
            seen_on: self.day,
            lapsed_on: None,
            life: Life::default(),
        }
    }

    fn nearest_cells(&self, direction: &[f32]) -> Vec<usize> {
        let mut cells: Vec<(f32, usize)> =
            self.centres.iter().enumerate().map(|(cell, centre)| (cosine(centre, direction), cell)).collect();
        cells.sort_by(|one, other| other.0.total_cmp(&one.0));
        cells.into_iter().map(|(_, cell)| cell).collect()
    }

    /// A new day: some leave, some stop coming, newcomers take their places; every seventh day exposure begins anew.
    pub(super) fn begin(&mut self, day: usize, nature: &mut Dice) {
        self.day = day;
        for place in 0..self.people.len() {
            let (leaves, lapses) = (nature.chance(LEAVE), nature.chance(LAPSE));
            let person = &mut self.people[place];
            person.life.days += 1.0;
            if day.is_multiple_of(WEEK) {
                person.shown = 0.0;
            }
            let silent = person.lapsed_on.is_some_and(|on| day >= on + SILENT_DAYS);
            if lapses && person.lapsed_on.is_none() {
                person.lapsed_on = Some(day);
            }
            if silent || (leaves && person.lapsed_on.is_none()) {
                self.replace(place, nature);
            }
        }
        let rate = |place: &usize| self.people[*place].someone.behaviour.received.shrunk(0.3, 4.0);
        self.popular.sort_by(|one, other| rate(other).total_cmp(&rate(one)).then(one.cmp(other)));
        for person in &mut self.people {
            person.someone.idle_days = Some((day - person.seen_on) as f64);
        }
    }

    fn replace(&mut self, place: usize, nature: &mut Dice) {
        let (side, cell) = (self.people[place].hidden.side, self.people[place].cell);
        self.cells[usize::from(side)][cell].retain(|spot| spot.place != place);
        let newcomer = self.newcomer(place, side, nature);
        let gone = std::mem::replace(&mut self.people[place], newcomer);
        self.gone.push(gone.life);
    }

    /// Does somebody come today?
    pub(super) fn comes(&mut self, place: usize, nature: &mut Dice) -> bool {
        let (person, chance) = (&mut self.people[place], nature.unit());
        let comes = chance < person.hidden.comes && person.lapsed_on.is_none();
        if comes {
            person.seen_on = self.day;
            person.someone.idle_days = Some(0.0);
            self.stamp += 1;
            for id in &self.people[place].answered {
                self.stamps[*id as usize] = self.stamp;
            }
            self.stamps[self.people[place].id as usize] = self.stamp;
        }
        comes
    }

    /// May this one be shown to the viewer who came last? Marks nobody.
    pub(super) fn may_show(&self, viewer: usize, other: usize) -> bool {
        let (own, theirs) = (&self.people[viewer], &self.people[other]);
        own.hidden.side != theirs.hidden.side && self.stamps[theirs.id as usize] != self.stamp
    }

    /// Chooses this one as a candidate: no other search finds them for the same list.
    pub(super) fn take(&mut self, other: usize) {
        let id = self.people[other].id;
        self.stamps[id as usize] = self.stamp;
    }

    /// The nearest to a direction, `wanted` of them, out of the nearest cells.
    pub(super) fn nearest(&mut self, viewer: usize, direction: &[f32], wanted: usize, found: &mut Vec<usize>) {
        if wanted == 0 {
            return;
        }
        let others = &self.cells[usize::from(!self.people[viewer].hidden.side)];
        let mut pool: Vec<(f32, usize)> = Vec::with_capacity(wanted * 8);
        for cell in self.nearest_cells(direction) {
            let able = others[cell].iter().filter(|spot| self.stamps[spot.id as usize] != self.stamp);
            pool.extend(able.map(|spot| (cosine(direction, &spot.vector), spot.place)));
            if pool.len() >= wanted * 4 {
                break;
            }
        }
        if pool.len() > wanted {
            pool.select_nth_unstable_by(wanted - 1, |one, other| other.0.total_cmp(&one.0));
            pool.truncate(wanted);
        }
        for (_, other) in pool {
            self.take(other);
            found.push(other);
        }
    }

    /// Some at random.
    pub(super) fn anybody(&mut self, viewer: usize, wanted: usize, dice: &mut Dice, found: &mut Vec<usize>) {
        let enough = found.len() + wanted;
        for _ in 0..wanted * 6 {
            if found.len() >= enough {
                break;
            }
            let other = dice.below(self.people.len());
            if self.may_show(viewer, other) {
                self.take(other);
                found.push(other);
            }
        }
    }

    /// Those who like the viewer, newest first.
    pub(super) fn likers(&mut self, viewer: usize, wanted: usize, found: &mut Vec<usize>) {
        let people = &self.people;
        let own = &people[viewer].likers;
        let there: Vec<usize> =
            own.iter().rev().filter(|(who, id)| people[*who].id == *id).map(|(who, _)| *who).collect();
        for liker in there.into_iter().take(wanted) {
            if self.may_show(viewer, liker) {
                self.take(liker);
                found.push(liker);
            }
        }
    }

    /// Did one say yes to the other?
    pub(super) fn likes(&self, one: usize, other: usize) -> bool {
        self.liked.contains(&(self.people[one].id, self.people[other].id))
    }

    /// As the product learns it, once a day.
    pub(super) fn learn_taste(&mut self, place: usize) {
        let person = &self.people[place];
        let answers: Vec<taste::Answered<'_>> = person
            .newest
            .iter()
            .map(|(vector, yes, appeal)| taste::Answered { vector, yes: *yes, appeal: *appeal })
            .collect();
        let taste = taste::learned(&answers, &person.someone.behaviour, &self.model.expected);
        self.people[place].someone.taste = taste.into();
    }

    /// The viewer goes through the list and answers.
    pub(super) fn visit(&mut self, viewer: usize, list: &[usize], dice: &mut Dice) {
        for (place, candidate) in list.iter().enumerate() {
            let shown = attention(place);
            self.people[*candidate].shown += shown;
            self.people[*candidate].life.shown += shown;
        }
        for candidate in list {
            let yes = dice.chance(self.people[viewer].hidden.likes(&self.people[*candidate].hidden));
            self.answer(viewer, *candidate, yes, dice);
            if !dice.chance(GO_ON) {
                break;
            }
        }
    }

    fn answer(&mut self, viewer: usize, candidate: usize, yes: bool, dice: &mut Dice) {
        self.looks += 1;
        self.likes += u64::from(yes);
        let [own, seen] = [&self.people[viewer], &self.people[candidate]];
        self.model.learn(&own.someone, &seen.someone, yes);
        let (mut a, mut b) = (own.someone.behaviour, seen.someone.behaviour);
        let (newest, ids) = ((Arc::clone(&seen.someone.vector), yes, b.appeal), (own.id, seen.id));
        observe(&mut a, &mut b, yes, &self.model.expected);
        self.people[candidate].someone.behaviour = b;
        let person = &mut self.people[viewer];
        person.someone.behaviour = a;
        person.answered.push(ids.1);
        person.newest.push_back(newest);
        if person.newest.len() > taste::ANSWERS {
            person.newest.pop_front();
        }
        person.likers.retain(|(who, _)| *who != candidate);
        if !yes {
            return;
        }
        self.liked.insert(ids);
        if !self.liked.contains(&(ids.1, ids.0)) {
            self.people[candidate].likers.push((viewer, ids.0));
            return;
        }
        // Who completed the match writes first.
        let there = self.people[candidate].lapsed_on.is_none();
        let chance = self.people[candidate].hidden.answers(&self.people[viewer].hidden);
        let replied = there && dice.chance(chance);
        self.people[candidate].someone.behaviour.replies.add(replied);
        for place in [viewer, candidate] {
            let life = &mut self.people[place].life;
            life.matches += 1;
            life.answered += u32::from(replied);
        }
    }

    /// The lives of all who were there long enough.
    pub(super) fn close(&mut self, days: usize) -> Vec<Life> {
        let least = LEAST_DAYS.min(days as f64);
        let all = self.gone.iter().copied().chain(self.people.iter().map(|person| person.life));
        all.filter(|life| life.days >= least).collect()
    }
}

const _: () = assert!(DIMENSIONS.is_multiple_of(8), "products go by eights");
