//! `netfilter.hook`: packets on their way through the network stack.

use super::{Argument::*, Family, Request};
use crate::btf::{Btf, Kind};
use crate::diagnostic::{Diagnostics, codes, suggest};
use crate::hir::{Attach, ContextSource, ContextVariable, HookPoint, Point, Scalar};
use crate::source::Span;

/// Protocol families the kernel attaches programs for, with their `NFPROTO_` numbers.
const FAMILIES_OF_PROTOCOLS: [(&str, u32); 4] =
    [("NFPROTO_IPV4", 2), ("NFPROTO_IPV6", 10), ("PF_INET", 2), ("PF_INET6", 10)];

/// Where packets pass, by `enum nf_inet_hooks`, without `NF_INET_` or another prefix.
const HOOKS: [&str; 5] = ["PRE_ROUTING", "LOCAL_IN", "FORWARD", "LOCAL_OUT", "POST_ROUTING"];

const PREFIXES: [&str; 3] = ["NF_INET_", "NF_IP_", "NF_IP6_"];

/// `enum nf_ip_hook_priorities`, without `NF_IP_PRI_`. The kernel keeps the first and the last place of all.
const PRIORITIES: [(&str, i32); 14] = [
    ("FIRST", i32::MIN + 1),
    ("RAW_BEFORE_DEFRAG", -450),
    ("CONNTRACK_DEFRAG", -400),
    ("RAW", -300),
    ("SELINUX_FIRST", -225),
    ("CONNTRACK", -200),
    ("MANGLE", -150),
    ("NAT_DST", -100),
    ("FILTER", 0),
    ("SECURITY", 50),
    ("NAT_SRC", 100),
    ("SELINUX_LAST", 225),
    ("CONNTRACK_HELPER", 300),
    ("LAST", i32::MAX - 1),
];

const SUMMARY: &str = "When a packet passes a hook of netfilter in the network namespace of the session; it is \
                       accepted. Of several handlers the one with the lowest `priority` is the first: a name of \
                       `nf_ip_hook_priorities` or a number, 0 without. The hook is one of `NF_INET_PRE_ROUTING`, \
                       `NF_INET_LOCAL_IN`, `NF_INET_FORWARD`, `NF_INET_LOCAL_OUT` and `NF_INET_POST_ROUTING`, the \
                       family `NFPROTO_IPV4` or `NFPROTO_IPV6`. Linux 6.4.";

macro_rules! family {
    ($first:literal, $second:literal, $example:literal) => {
        Family {
            form: &[("netfilter", None), ($first, Text), ($second, Text), ("priority?", Text)],
            summary: SUMMARY,
            example: concat!(
                "probe netfilter.",
                $example,
                " ? { println($skb->len) exit() } probe begin { exit() }"
            ),
            resolve,
        }
    };
}

pub(super) const FAMILIES: &[Family] = &[
    family!("hook", "pf", "hook(\"NF_INET_LOCAL_IN\").pf(\"NFPROTO_IPV4\")"),
    family!("pf", "hook", "pf(\"NFPROTO_IPV4\").hook(\"NF_INET_LOCAL_IN\")"),
];

fn resolve(request: &Request<'_>, diagnostics: &mut Diagnostics) -> Vec<Point> {
    let hook = request.text_of("hook").and_then(|(text, span)| hook(text, span, diagnostics));
    let family = request.text_of("pf").and_then(|(text, span)| family(text, span, diagnostics));
    let priority = match request.text_of("priority") {
        Some((text, span)) => priority(text, span, diagnostics),
        Option::None => Some(0),
    };
    let (Some(hook), Some(family), Some(priority)) = (hook, family, priority) else {
        return vec![];
    };
    let span = request.point.span;
    let btf = match request.facts.btf() {
        Ok(btf) => btf,
        Err(missing) => {
            diagnostics.error(codes::NO_BTF, span, format!("no kernel types: {missing}"));
            return vec![];
        }
    };
    let Some(context) = context(btf) else {
        diagnostics
            .error(codes::UNKNOWN_PROBE, span, "this kernel has no programs at netfilter hooks")
            .label("not in this kernel")
            .note("they came with Linux 6.4 (CONFIG_NETFILTER_BPF_LINK)")
            .help(
                "packets are seen by tracepoints, too: `kernel.trace(\"netif_receive_skb\")`, \
                 `kernel.trace(\"net_dev_queue\")`",
            );
        return vec![];
    };
    let attach = Attach::Hook(HookPoint { family, hook, priority });
    vec![Point { context, ..Point::new(request.spelling(), attach) }]
}

fn hook(text: &str, span: Span, diagnostics: &mut Diagnostics) -> Option<u32> {
    let plain = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix));
    let found = plain.and_then(|plain| HOOKS.iter().position(|hook| *hook == plain));
    if found.is_none() {
        let names = HOOKS.map(|hook| format!("NF_INET_{hook}"));
        diagnostics
            .error(codes::UNKNOWN_PROBE, span, format!("unknown netfilter hook `{text}`"))
            .label("no hook of IPv4 or IPv6")
            .suggest(text, names.iter().map(String::as_str))
            .help(format!("there are {}", names.join(", ")));
    }
    found.map(|at| at as u32)
}

fn family(text: &str, span: Span, diagnostics: &mut Diagnostics) -> Option<u32> {
    let found = FAMILIES_OF_PROTOCOLS.iter().find(|(name, _)| *name == text);
    if found.is_none() {
        let diagnostic = diagnostics
            .error(codes::UNKNOWN_PROBE, span, format!("no netfilter hooks of `{text}`"))
            .label("programs are attached to hooks of IPv4 and IPv6 only");
        let names = FAMILIES_OF_PROTOCOLS.map(|(name, _)| name);
        if suggest::nearest(text, names, 1).is_empty() {
            diagnostic.help("the families are NFPROTO_IPV4 and NFPROTO_IPV6");
        } else {
            diagnostic.suggest(text, names);
        }
    }
    found.map(|(_, number)| *number)
}

fn priority(text: &str, span: Span, diagnostics: &mut Diagnostics) -> Option<i32> {
    let plain = text.strip_prefix("NF_IP_PRI_").or(text.strip_prefix("NF_IP6_PRI_"));
    let named = plain.and_then(|plain| PRIORITIES.iter().find(|(name, _)| *name == plain));
    let number = text.parse::<i32>().ok().filter(|n| *n > i32::MIN && *n < i32::MAX);
    let found = named.map(|(_, number)| *number).or(number);
    if found.is_none() {
        let names = PRIORITIES.map(|(name, _)| format!("NF_IP_PRI_{name}"));
        diagnostics
            .error(codes::UNKNOWN_PROBE, span, format!("unknown netfilter priority `{text}`"))
            .label("neither a name of `nf_ip_hook_priorities` nor a number")
            .suggest(text, names.iter().map(String::as_str));
    }
    found
}

/// What the kernel gives such programs: `struct bpf_nf_ctx`, pointers to the state of the hook and to the packet.
fn context(btf: &Btf) -> Option<Vec<ContextVariable>> {
    let pointers = btf.find("bpf_nf_ctx", Kind::Struct)?;
    let state = btf.find("nf_hook_state", Kind::Struct)?;
    let pointer = |name: &str| {
        let field = btf.field(pointers, name)?;
        Some(ContextVariable {
            name: name.to_string(),
            ty: field.ty.0,
            source: ContextSource::Word(field.bit_offset / 64),
            value: Scalar { bytes: 8, signed: false },
            trusted: true,
        })
    };
    let word = btf.field(pointers, "state")?.bit_offset / 64;
    let of_state = |name: &str, member: &str| {
        let field = btf.field(state, member)?;
        let value = btf.scalar(field.ty)?;
        Some(ContextVariable {
            name: name.to_string(),
            ty: field.ty.0,
            source: ContextSource::Member { word, offset: field.bit_offset / 8 },
            value: Scalar { bytes: value.bytes, signed: value.signed },
            trusted: false,
        })
    };
    Some(vec![
        of_state("hooknum", "hook")?,
        of_state("pf", "pf")?,
        pointer("skb")?,
        of_state("in", "in")?,
        of_state("out", "out")?,
        pointer("state")?,
    ])
}
