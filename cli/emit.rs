//! `ntap emit STAGE`: what each stage of the compiler makes of a script.

use std::process::ExitCode;

use clap::ValueEnum;
use ntap_compiler::{object, partition, pipeline, syntax, types};

use crate::compile::Compilation;
use crate::errors::Failure;
use crate::write_out;

/// The stages that can be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stage {
    /// The syntax tree, as a script
    Ast,
    /// The resolved script with its types
    Types,
    /// What runs in which half, and what crosses
    Split,
    /// Cranelift IR of both halves, before optimisation
    Clif,
    /// eBPF code with the script's lines
    Bpf,
    /// A summary of the ELF object
    Object,
}

/// Prints a stage.
pub(crate) fn emit(stage: Stage, compilation: &mut Compilation<'_>) -> Result<ExitCode, Failure> {
    let text = match stage {
        Stage::Ast => {
            let parsed = compilation.parse()?;
            let texts = parsed.scripts.iter().map(|s| syntax::print(s, compilation.sources()));
            texts.collect()
        }
        Stage::Types => {
            let (script, types) = compilation.resolve()?;
            types::print(&script, &types)
        }
        Stage::Split => {
            let analyzed = compilation.analyze()?;
            partition::print(&analyzed.script, &analyzed.types, &analyzed.layout)
        }
        Stage::Clif => pipeline::clif(&compilation.analyze()?.lower()),
        Stage::Bpf => match compilation.compile()?.object {
            Some(input) => pipeline::disassemble(&input),
            None => String::new(),
        },
        Stage::Object => match compilation.compile()?.object {
            Some(input) => object::describe(&input)
                .map_err(|e| Failure::bug(format!("writing the object: {e}")))?,
            None => String::new(),
        },
    };
    write_out(&text);
    Ok(ExitCode::SUCCESS)
}
