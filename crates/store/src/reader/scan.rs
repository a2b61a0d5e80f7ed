//! Values of many instances over any range, an hour and some instances at a time, so that memory
//! stays bounded.

use super::eval::Earlier;
use super::feed::{Feed, LONGEST_INTERVAL_MS, Opened, sane};
use super::inputs::Inputs;
use super::lives::Places;
use super::memory::Memory;
use super::merge::{Merged, Stretch, stretches};
use super::refusal::{Gone, Refusal};
use super::rolled::{self, RolledChunk, Wanted};
use super::source::Source;
use super::spooled::Spooled;
use super::window::{Hour, Window, clamp};
use super::{Container, ReadError, Reader, SeriesQuery};
use fgm_model::rate::max_gap_ms;
use fgm_model::{Instance, Resolution};
use std::collections::HashMap;
use std::sync::Arc;

/// Rows that are in memory at once: what fits into a processor's cache with a few columns.
const BLOCK_ROWS: usize = 16_384;

/// Looks that may find nothing to go on with before it is an error.
const MOST_ATTEMPTS: usize = 50;

/// Values of one instance in one clock epoch, in time order.
#[derive(Debug)]
pub struct Chunk<'a> {
    /// The place of its series among the containers asked for.
    pub series: usize,
    /// The place of its instance within the container.
    pub instance: usize,
    /// The clock epoch.
    pub clock_epoch: i64,
    /// The tick interval.
    pub interval_ms: i64,
    /// The rows' times, milliseconds UTC.
    pub times_ms: &'a [i64],
    /// For each row the microseconds since the row before, NaN where no rate may be made; empty when
    /// no rate was asked for.
    pub steps_us: &'a [f64],
    /// For each signal a value per row, NaN = no data.
    pub values: &'a [Vec<f64>],
}

/// Rows of one instance, as they are or rolled up.
pub(super) enum Part<'a> {
    Raw(Chunk<'a>),
    Rolled(RolledChunk<'a>),
}

/// Last rows, from hour to hour, by place and clock epoch.
type Carry = HashMap<(usize, i64), Earlier>;

/// Who and what is asked for.
struct Question<'a> {
    query: &'a SeriesQuery,
    start_ms: i64,
    end_ms: i64,
    inputs: Inputs,
    places: Places,
    /// By place: the series, and the instance within it.
    who: Vec<(usize, usize)>,
    wanted: Wanted,
    keep_going: &'a dyn Fn() -> bool,
}

/// Why an hour was not read to its end.
enum Stop {
    Gone,
    Stopped,
}

impl From<Gone> for Stop {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl Reader {
    /// Hands the values of these containers to `sink`: hour after hour, in each instance after
    /// instance.
    ///
    /// [`SeriesQuery::series`] does not count here: the containers are those given.
    /// `keep_going` is asked now and then.
    ///
    /// # Errors
    /// When the data directory cannot be listed, or `keep_going` said no.
    pub fn scan(
        &self,
        query: &SeriesQuery,
        containers: &[Container],
        keep_going: &dyn Fn() -> bool,
        mut sink: impl FnMut(Chunk<'_>),
    ) -> Result<(), ReadError> {
        let wanted = Wanted::default();
        self.walk(
            query,
            Resolution::Raw,
            wanted,
            containers,
            keep_going,
            &mut |part| {
                if let Part::Raw(chunk) = part {
                    sink(chunk);
                }
            },
        )
    }

    /// The same at a resolution: roll-ups where there are some, raw rows elsewhere.
    pub(super) fn walk(
        &self,
        query: &SeriesQuery,
        resolution: Resolution,
        wanted: Wanted,
        containers: &[Container],
        keep_going: &dyn Fn() -> bool,
        sink: &mut dyn FnMut(Part<'_>),
    ) -> Result<(), ReadError> {
        let memory = self.memory();
        let question = Question::of(query, wanted, containers, keep_going, &memory);
        if question.who.is_empty() {
            return Ok(());
        }
        let mut carry = Carry::new();
        let mut from = question.first_needed(LONGEST_INTERVAL_MS);
        let mut attempts = 0;
        'look: while attempts < MOST_ATTEMPTS {
            attempts += 1;
            let window =
                self.window(&memory, (query.table, resolution), (from, question.end_ms))?;
            let mut before: Option<&Hour> = None;
            for hour in &window.hours {
                let read = self.hour(&question, &window, (before, hour), &mut carry, sink);
                match read {
                    Ok(()) => {}
                    Err(Stop::Gone) => continue 'look,
                    Err(Stop::Stopped) => return Err(ReadError::Stopped),
                }
                before = Some(hour);
                // What is read already is not read again, whatever goes away.
                from = hour.end_ms().saturating_add(1);
                attempts = 0;
            }
            return Ok(());
        }
        Err(ReadError::Unsettled)
    }

    fn hour(
        &self,
        question: &Question<'_>,
        window: &Window,
        (before, hour): (Option<&Hour>, &Hour),
        carry: &mut Carry,
        sink: &mut dyn FnMut(Part<'_>),
    ) -> Result<(), Stop> {
        let behind = before
            .map(|before| before.behind.as_slice())
            .unwrap_or_default();
        // Files first: once open, they stay readable.
        let context = match question.inputs.has_rates && !hour.is_rolled_up() {
            true => self.opened(
                question,
                behind,
                hour.start_ms - max_gap_ms(LONGEST_INTERVAL_MS),
            )?,
            false => Vec::new(),
        };
        let raw = self.opened(question, &hour.raw, hour.start_ms)?;
        if hour.end_ms() >= question.start_ms {
            for source in &hour.rolled {
                if !(question.keep_going)() {
                    return Err(Stop::Stopped);
                }
                let read = rolled::read(
                    source,
                    &question.places,
                    &question.query.signals,
                    question.wanted,
                    (question.start_ms, question.end_ms),
                );
                let Some(rows) = self.trouble.or_nothing(&source.path, read)? else {
                    continue;
                };
                rows.hand_on(&question.who, &mut |chunk| sink(Part::Rolled(chunk)));
            }
        }
        if !context.is_empty() {
            let nothing = Spooled::default();
            self.raw_rows(
                question,
                &context,
                &nothing,
                carry,
                &mut |_| {},
                hour.start_ms - 1,
            )?;
        }
        let span = (hour.start_ms, hour.end_ms());
        let spooled = Spooled::gather(
            window,
            &hour.streams,
            &question.places,
            question.who.len(),
            &question.inputs,
            span,
        );
        self.raw_rows(question, &raw, &spooled, carry, sink, hour.end_ms())
    }

    fn opened(
        &self,
        question: &Question<'_>,
        sources: &[Arc<Source>],
        from_ms: i64,
    ) -> Result<Vec<Opened>, Gone> {
        let mut opened = Vec::new();
        for source in sources {
            let from_ms = question
                .first_needed(sane(source.interval_ms()))
                .max(from_ms);
            if source.name.end_ms < from_ms || question.end_ms < source.name.start_ms {
                continue;
            }
            let span = (from_ms, question.end_ms);
            let file = Opened::open(source, &question.places, &question.inputs, span);
            opened.extend(self.trouble.or_nothing(&source.path, file)?);
        }
        Ok(opened)
    }

    fn raw_rows(
        &self,
        question: &Question<'_>,
        files: &[Opened],
        spooled: &Spooled,
        carry: &mut Carry,
        sink: &mut dyn FnMut(Part<'_>),
        until_ms: i64,
    ) -> Result<(), Stop> {
        let mut counts = vec![0; question.who.len()];
        files.iter().for_each(|file| file.count(&mut counts));
        let mut feeds: Vec<_> = files.iter().map(Feed::new).collect();
        let mut scratch = Merged::default();
        let mut values = Evaluation::of(question, until_ms);
        let mut begin = 0;
        while begin < counts.len() {
            if !(question.keep_going)() {
                return Err(Stop::Stopped);
            }
            let end = block_end(&counts, begin);
            for feed in &mut feeds {
                if let Err(Refusal::Damaged(reason) | Refusal::Unreadable(reason)) = feed.read(end)
                {
                    self.trouble.tell(&feed.source().path, &reason);
                }
            }
            for place in begin..end {
                let of_files = feeds.iter().flat_map(|feed| feed.pieces(place));
                let pieces: Vec<_> = of_files.chain(spooled.pieces(place)).collect();
                if !pieces.is_empty() {
                    stretches(&pieces, &mut scratch, |stretch| {
                        values.evaluate(place, &stretch, carry, sink);
                    });
                }
            }
            begin = end;
        }
        Ok(())
    }
}

/// The places that are read together: at least one.
fn block_end(counts: &[usize], begin: usize) -> usize {
    let mut rows = 0_usize;
    let rest = counts.iter().skip(begin).position(|count| {
        let is_full = rows > 0 && rows.saturating_add(*count) > BLOCK_ROWS;
        rows = rows.saturating_add(*count);
        is_full
    });
    rest.map_or(counts.len(), |more| begin + more)
}

impl<'a> Question<'a> {
    fn of(
        query: &'a SeriesQuery,
        wanted: Wanted,
        containers: &[Container],
        keep_going: &'a dyn Fn() -> bool,
        memory: &Memory,
    ) -> Self {
        let mut who: Vec<(&Instance, (usize, usize))> = Vec::new();
        for (series, container) in containers.iter().enumerate() {
            let lives = container.instances.iter().enumerate();
            who.extend(lives.map(|(place, span)| (&*span.instance, (series, place))));
        }
        // As the rows of a file lie.
        who.sort_by_key(|(who, _)| (&who.container_id, &who.life));
        let number = |who: &Instance| memory.lives.number(&who.container_id, &who.life);
        let lives: Vec<_> = who.iter().map(|(who, _)| number(who)).collect();
        Self {
            query,
            start_ms: clamp(query.start_ms),
            end_ms: clamp(query.end_ms),
            inputs: Inputs::of(&query.signals),
            places: Places::of(&lives),
            who: who.into_iter().map(|(_, who)| who).collect(),
            wanted,
            keep_going,
        }
    }

    /// The first time whose row can matter at that interval: the row before the range makes
    /// the first rate in it.
    fn first_needed(&self, interval_ms: i64) -> i64 {
        if self.inputs.has_rates {
            clamp(self.start_ms - max_gap_ms(interval_ms))
        } else {
            self.start_ms
        }
    }
}

/// Makes values of rows, in buffers that are reused.
struct Evaluation<'a> {
    question: &'a Question<'a>,
    until_ms: i64,
    steps_us: Vec<f64>,
    values: Vec<Vec<f64>>,
}

impl<'a> Evaluation<'a> {
    fn of(question: &'a Question<'a>, until_ms: i64) -> Self {
        Self {
            question,
            until_ms: until_ms.min(question.end_ms),
            steps_us: Vec::new(),
            values: vec![Vec::new(); question.query.signals.len()],
        }
    }

    fn evaluate(
        &mut self,
        place: usize,
        stretch: &Stretch<'_>,
        carry: &mut Carry,
        sink: &mut dyn FnMut(Part<'_>),
    ) {
        let question = self.question;
        let rows = &stretch.rows;
        let from = rows
            .times_ms
            .partition_point(|time_ms| *time_ms < question.start_ms);
        let to = rows
            .times_ms
            .partition_point(|time_ms| *time_ms <= self.until_ms);
        if to == 0 {
            return;
        }
        let key = (place, stretch.clock_epoch);
        let earlier = carry.remove(&key);
        if from < to
            && let Some((series, instance)) = question.who.get(place)
        {
            let range = from..to;
            if question.inputs.has_rates {
                rows.steps(&range, earlier.as_ref(), &mut self.steps_us);
            }
            for (input, values) in question.inputs.signals.iter().zip(&mut self.values) {
                let steps_us = &self.steps_us;
                rows.evaluate(
                    &question.inputs,
                    input,
                    &range,
                    earlier.as_ref(),
                    steps_us,
                    values,
                );
            }
            sink(Part::Raw(Chunk {
                series: *series,
                instance: *instance,
                clock_epoch: stretch.clock_epoch,
                interval_ms: rows.interval_ms,
                times_ms: rows.times_ms.get(range).unwrap_or_default(),
                steps_us: &self.steps_us,
                values: &self.values,
            }));
        }
        if question.inputs.has_rates
            && let Some(last) = rows.keep(to - 1)
        {
            carry.insert(key, last);
        }
    }
}
