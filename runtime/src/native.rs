//! User blocks as machine code.
//!
//! In: the CLIF of user blocks. Out: functions that can be called. The runtime functions they call are
//! linked by address; the code lives as long as the [`NativeCode`].

use std::collections::HashMap;

use cranelift_codegen::Context;
use cranelift_codegen::ir::{AbiParam, Function, Signature, UserExternalName, types::I64};
use cranelift_codegen::isa::CallConv;
use cranelift_codegen::settings::{self, Configurable};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Linkage, Module};
use ntap_compiler::backend::names;
use ntap_compiler::lower::{Role, UserFunction};
use ntap_compiler::runtime_functions::RuntimeFunction;

use crate::block::{BlockContext, functions};

/// A compiled user block.
type Block = unsafe extern "C" fn(*mut BlockContext) -> i64;

/// The machine code of a script's user blocks.
pub struct NativeCode {
    blocks: HashMap<Role, Block>,
    /// Blocks for records, which are compiled when the first one comes: there can be hundreds of which most have none.
    waiting: HashMap<Role, UserFunction>,
    names: Names,
    /// Owns the memory the blocks are in; freed by [`Drop`].
    module: Option<JITModule>,
}

/// With more blocks for records than this they wait to be compiled until they are needed.
const FEW_BLOCKS: usize = 16;

impl NativeCode {
    /// Compiles user blocks. An error is a bug in ntap.
    pub fn compile(functions: Vec<UserFunction>) -> Result<NativeCode, String> {
        let (blocks, names) = (HashMap::new(), Names::default());
        let mut code = NativeCode { blocks, waiting: HashMap::new(), names, module: None };
        if functions.is_empty() {
            return Ok(code);
        }
        code.module = Some(JITModule::new(builder()?));
        let is_event = |user: &UserFunction| matches!(user.role, Role::Event(_));
        let waits = functions.iter().filter(|user| is_event(user)).count() > FEW_BLOCKS;
        let (later, now): (Vec<_>, Vec<_>) =
            functions.into_iter().partition(|user| waits && is_event(user));
        code.waiting = later.into_iter().map(|user| (user.role, user)).collect();
        code.add(now)?;
        Ok(code)
    }

    /// Compiles some of the blocks, with all functions that they call.
    fn add(&mut self, functions: Vec<UserFunction>) -> Result<(), String> {
        let Some(module) = &mut self.module else { return Ok(()) };
        let mut ids = vec![];
        for user in &functions {
            let id = module
                .declare_anonymous_function(&user.function.signature)
                .map_err(|e| e.to_string())?;
            if let Role::Function(function) = user.role {
                self.names.functions.insert(function.as_u32(), id);
            }
            ids.push((user.role, id));
        }
        let mut context = Context::new();
        for (user, &(_, id)) in functions.into_iter().zip(&ids) {
            context.func = user.function;
            self.names.link(&mut context.func, module)?;
            module.define_function(id, &mut context).map_err(|e| format!("{e:?}"))?;
            module.clear_context(&mut context);
        }
        module.finalize_definitions().map_err(|e| e.to_string())?;
        for (role, id) in ids {
            let code = module.get_finalized_function(id);
            // SAFETY: the function was compiled with this signature, and its code stays until the module is freed,
            // which `Drop` does after the last use.
            self.blocks.insert(role, unsafe { std::mem::transmute::<*const u8, Block>(code) });
        }
        Ok(())
    }

    /// Runs a block. Whether it raised an error is in the context. An error here is a bug in ntap: the block cannot be
    /// compiled.
    pub(crate) fn run(&mut self, role: Role, context: &mut BlockContext) -> Result<(), String> {
        if let Some(user) = self.waiting.remove(&role) {
            self.add(vec![user])?;
        }
        if let Some(block) = self.blocks.get(&role) {
            // SAFETY: compiled code accesses the context by the layout both crates share, and calls
            // runtime functions that get the same pointer back.
            unsafe { block(context) };
        }
        Ok(())
    }
}

impl Drop for NativeCode {
    fn drop(&mut self) {
        if let Some(module) = self.module.take() {
            // SAFETY: nothing runs the blocks any more; they are only reachable through `self`.
            unsafe { module.free_memory() };
        }
    }
}

fn builder() -> Result<JITBuilder, String> {
    let mut flags = settings::builder();
    let verify = if cfg!(debug_assertions) { "true" } else { "false" };
    for (name, value) in [("opt_level", "none"), ("is_pic", "false"), ("enable_verifier", verify)] {
        flags.set(name, value).map_err(|e| e.to_string())?;
    }
    let isa = cranelift_native::builder()?
        .finish(settings::Flags::new(flags))
        .map_err(|e| e.to_string())?;
    let mut builder = JITBuilder::with_isa(isa, cranelift_module::default_libcall_names());
    for &function in RuntimeFunction::ALL {
        builder.symbol(function.name(), functions::address(function));
    }
    Ok(builder)
}

/// The names by which the module knows what blocks call.
#[derive(Default)]
struct Names {
    /// The runtime functions that were called.
    imports: HashMap<u32, FuncId>,
    /// The functions of the script.
    functions: HashMap<u32, FuncId>,
}

impl Names {
    /// Gives what a function calls the names the module knows.
    fn link(&mut self, function: &mut Function, module: &mut JITModule) -> Result<(), String> {
        let used: Vec<_> = function
            .params
            .user_named_funcs()
            .iter()
            .map(|(key, name)| (key, name.clone()))
            .collect();
        for (key, name) in used {
            let id = match name.namespace {
                names::RUNTIME => match self.imports.get(&name.index) {
                    Some(&id) => id,
                    None => {
                        let id = declare(module, name.index)?;
                        self.imports.insert(name.index, id);
                        id
                    }
                },
                names::BLOCK => *self
                    .functions
                    .get(&name.index)
                    .ok_or_else(|| format!("there is no function {}", name.index))?,
                _ => return Err(format!("a user block refers to {name}")),
            };
            // Namespace 0 is where the module keeps functions.
            function.params.reset_user_func_name(key, UserExternalName::new(0, id.as_u32()));
        }
        Ok(())
    }
}

fn declare(module: &mut JITModule, index: u32) -> Result<FuncId, String> {
    let function = RuntimeFunction::ALL
        .get(index as usize)
        .ok_or_else(|| format!("there is no runtime function {index}"))?;
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params = vec![AbiParam::new(I64); function.arity() + 1];
    signature.returns.push(AbiParam::new(I64));
    module.declare_function(function.name(), Linkage::Import, &signature).map_err(|e| e.to_string())
}
