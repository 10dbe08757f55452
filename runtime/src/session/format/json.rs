//! The objects of `-f json`. `docs/reference/output.schema.json` describes each, `docs/output.md` explains them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ntap_compiler::bytes;
use ntap_compiler::histogram::Histogram;
use ntap_compiler::layout::StatsLayout;
use ntap_compiler::source::{SourceMap, Span};

use super::super::losses::LossCause;
use super::super::timing::ProbeTime;
use crate::block::{Frame, Key, Printed, PrintedHistogram, Stats, Value, Word};
use crate::json::Json;

/// The number of the form of the objects: raised when a member changes or goes.
const FORMAT: i64 = 1;

/// An object of a type.
pub(crate) fn object(
    kind: &'static str,
    members: impl IntoIterator<Item = (&'static str, Json)>,
) -> Json {
    let mut all = vec![("type", Json::text(kind))];
    all.extend(members);
    Json::Object(all)
}

/// Now, as seconds since 1970.
pub(crate) fn now() -> (&'static str, Json) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    ("time", Json::Seconds(since.as_micros() as i64))
}

/// The probe of an object: its number and its name.
pub(crate) type Probe<'a> = (u32, &'a str);

fn probe(probe: Option<Probe<'_>>) -> [(&'static str, Json); 2] {
    let name = Json::optional(probe, |(_, name)| Json::text(name));
    [("probe", name), ("probe_id", Json::optional(probe, |(id, _)| Json::Number(id.into())))]
}

/// A place in a script.
pub(crate) fn place(sources: &SourceMap, span: Span) -> Json {
    let file = sources.file(span.file);
    let position = file.position(span.start);
    Json::Object(vec![
        ("file", Json::text(&file.name)),
        ("line", Json::Number(position.line.into())),
        ("column", Json::Number(position.column.into())),
    ])
}

/// The first object.
pub(crate) fn start(target: i64, sources: &SourceMap, probes: &[(u32, &str, Span)]) -> Json {
    let probes = probes.iter().map(|&(id, name, span)| {
        let id = ("probe_id", Json::Number(id.into()));
        Json::Object(vec![("probe", Json::text(name)), id, ("place", place(sources, span))])
    });
    object(
        "start",
        [
            now(),
            ("version", Json::text(env!("CARGO_PKG_VERSION"))),
            ("format", Json::Number(FORMAT)),
            ("target", if target == 0 { Json::Null } else { Json::Number(target) }),
            ("probes", Json::List(probes.collect())),
        ],
    )
}

/// What a printing statement printed.
pub(crate) fn print(
    time: &(&'static str, Json),
    of: Option<Probe<'_>>,
    text: &[u8],
    format: Option<String>,
    values: Vec<Json>,
) -> Json {
    let [name, id] = probe(of);
    let format = format.map(|format| ("format", Json::bytes(&bytes::of(&format))));
    let values = [("text", Json::bytes(text)), ("values", Json::List(values))];
    object("print", [time.clone(), name, id].into_iter().chain(format).chain(values))
}

/// A printed value. `frames` are those of a string that is a stack.
pub(crate) fn printed(value: &Printed, frames: Option<Vec<Frame>>) -> Json {
    match (value, frames) {
        (_, Some(frames)) => stack(&frames),
        (Printed::Word(value), None) => word(value),
        (Printed::Stack(frames), None) => stack(frames),
        (Printed::Histogram(shown), None) => histogram_object(shown),
    }
}

/// A message of the script or of ntap; `kind` is its type.
pub(crate) fn message(
    kind: &'static str,
    time: &(&'static str, Json),
    of: Option<Probe<'_>>,
    text: &str,
) -> Json {
    let [name, id] = probe(of);
    object(kind, [time.clone(), name, id, ("text", Json::bytes(&bytes::of(text)))])
}

/// An error of a handler.
pub(crate) fn error(of: Option<Probe<'_>>, text: &str, near: &str, place: Json) -> Json {
    let [name, id] = probe(of);
    let text = ("text", Json::bytes(&bytes::of(text)));
    object(
        "error",
        [now(), name, id, text, ("near", Json::bytes(&bytes::of(near))), ("place", place)],
    )
}

/// A global without keys.
pub(crate) fn global(name: &str, value: Json) -> Json {
    object("global", [("name", Json::text(name)), ("value", value)])
}

/// An array; the elements are made by [`element`].
pub(crate) fn array(name: &str, elements: Vec<Json>) -> Json {
    object("array", [("name", Json::text(name)), ("elements", Json::List(elements))])
}

/// An element of an array. `frames` are those of the keys that are stacks.
pub(crate) fn element(key: &Key, frames: &[Option<Vec<Frame>>], value: Json) -> Json {
    let key = key.iter().zip(frames).map(|(key, frames)| match frames {
        Some(frames) => stack(frames),
        None => word(key),
    });
    Json::Object(vec![("key", Json::List(key.collect())), ("value", value)])
}

/// What an element or global holds; a number that is an address is written as one.
pub(crate) fn value(value: &Value, layout: &StatsLayout, pointer: bool) -> Json {
    match value {
        Value::Word(Word::Long(address)) if pointer => Json::text(format!("{address:#x}")),
        Value::Word(value) => word(value),
        Value::Stats(value) => stats(value, layout),
    }
}

/// A loss.
pub(crate) fn lost(of: Probe<'_>, cause: LossCause, count: u64) -> Json {
    let [name, id] = probe(Some(of));
    let cause = [("cause", Json::text(cause.id())), ("text", Json::text(cause.text()))];
    object("lost", [name, id, ("count", Json::Unsigned(count))].into_iter().chain(cause))
}

/// How long a probe was paused because its handler took too much time.
pub(crate) fn paused(of: Probe<'_>, times: u64, total: Duration) -> Json {
    let [name, id] = probe(Some(of));
    let total = ("seconds", Json::Seconds(total.as_micros() as i64));
    object("paused", [name, id, ("times", Json::Unsigned(times)), total])
}

/// How often a probe was hit, and how long its handler took.
pub(crate) fn timing(of: Probe<'_>, time: &ProbeTime) -> Json {
    let [name, id] = probe(Some(of));
    let bound = |which: fn((u64, u64)) -> u64| {
        Json::optional(time.bounds_ns, |bounds| Json::Unsigned(which(bounds)))
    };
    object(
        "timing",
        [
            name,
            id,
            ("hits", Json::Unsigned(time.hits)),
            ("total_ns", Json::Unsigned(time.total_ns)),
            ("min_ns", bound(|(least, _)| least)),
            ("max_ns", bound(|(_, most)| most)),
        ],
    )
}

/// The last object.
pub(crate) fn summary(
    duration: Duration,
    reason: &'static str,
    errors: u64,
    lost: u64,
    command_status: Option<i32>,
) -> Json {
    object(
        "summary",
        [
            now(),
            ("seconds", Json::Seconds(duration.as_micros() as i64)),
            ("reason", Json::text(reason)),
            ("errors", Json::Unsigned(errors)),
            ("lost", Json::Unsigned(lost)),
            (
                "command_status",
                Json::optional(command_status, |status| Json::Number(status.into())),
            ),
        ],
    )
}

fn word(word: &Word) -> Json {
    match word {
        Word::Long(number) => Json::Number(*number),
        Word::Text(text) => Json::bytes(text.to_bytes()),
    }
}

/// A stack, the innermost frame first.
fn stack(frames: &[Frame]) -> Json {
    let frame = |frame: &Frame| {
        let mut members = vec![];
        // As text: most readers keep numbers of 53 bits only.
        members.extend(frame.address.map(|a| ("address", Json::text(format!("{a:#x}")))));
        members.extend(frame.symbol.as_deref().map(|s| ("symbol", Json::text(s))));
        members.extend(frame.offset.map(|offset| ("offset", Json::Unsigned(offset))));
        members.extend(frame.module.as_deref().map(|m| ("module", Json::text(m))));
        members.extend(frame.inlined.then_some(("inlined", Json::Truth(true))));
        Json::Object(members)
    };
    Json::Object(vec![("stack", Json::List(frames.iter().map(frame).collect()))])
}

/// An aggregate: what the script asks of it, or all that is shown at the end.
fn stats(stats: &Stats, layout: &StatsLayout) -> Json {
    let mut members = vec![("count", Json::Number(stats.count))];
    if stats.count > 0 {
        members.extend(layout.sum.map(|_| ("sum", Json::Number(stats.sum))));
        members.extend(layout.min.map(|_| ("min", Json::Number(stats.min))));
        members.extend(layout.max.map(|_| ("max", Json::Number(stats.max))));
        let average = || stats.sum.wrapping_div(stats.count);
        members.extend(layout.sum.map(|_| ("avg", Json::Number(average()))));
        if let (Some(layout), Some(buckets)) = (layout.histogram, stats.buckets()) {
            members.push(("histogram", histogram(layout.shape, buckets, None)));
        }
    }
    Json::Object(members)
}

fn histogram_object(shown: &PrintedHistogram) -> Json {
    Json::Object(vec![("histogram", histogram(shown.shape, &shown.buckets, shown.sum))])
}

/// The buckets from the first to the last that counted something.
fn histogram(shape: Histogram, counts: &[i64], sum: Option<i64>) -> Json {
    let first = counts.iter().position(|&count| count != 0).unwrap_or(0);
    let after = counts.iter().rposition(|&count| count != 0).map_or(first, |last| last + 1);
    let bucket = |at: usize| {
        let (least, most) = shape.bounds(at as u32);
        // The outermost buckets of linear ones have no bound of their own.
        let bound = |n: i64, open: i64| if n == open { Json::Null } else { Json::Number(n) };
        Json::Object(vec![
            ("min", bound(least, i64::MIN)),
            ("max", bound(most, i64::MAX)),
            ("count", Json::Number(counts[at])),
        ])
    };
    let kind = match shape {
        Histogram::Log => "log",
        Histogram::LogLinear => "log_linear",
        Histogram::Linear { .. } => "linear",
    };
    let mut members =
        vec![("kind", Json::text(kind)), ("count", Json::Number(counts.iter().sum()))];
    members.extend(sum.map(|sum| ("sum", Json::Number(sum))));
    members.push(("buckets", Json::List((first..after).map(bucket).collect())));
    Json::Object(members)
}
