//! Building CLIF by hand, as the front end does.

use std::ops::{Deref, DerefMut};

use cranelift_codegen::ir::{
    AbiParam, Block, ExtFuncData, ExternalName, FuncRef, Function, GlobalValueData, InstBuilder,
    MemFlagsData, Signature, StackSlot, StackSlotData, StackSlotKind, Type, UserExternalName,
    UserFuncName, Value, types,
};
use cranelift_codegen::isa::{CallConv, TargetFrontendConfig};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use ntap_compiler::backend::names;

/// Loads of the context: may trap, never moved, never removed.
pub(crate) const CONTEXT: MemFlagsData = MemFlagsData::new();

/// Loads and stores of memory known to be there.
pub(crate) fn trusted() -> MemFlagsData {
    MemFlagsData::trusted()
}

/// A [`FunctionBuilder`] that knows our names.
pub(crate) struct Build<'a>(FunctionBuilder<'a>);

impl<'a> Deref for Build<'a> {
    type Target = FunctionBuilder<'a>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Build<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

/// Builds a function of `parameters` i64 parameters and an i64 result.
pub(crate) fn function(
    parameters: usize,
    build: impl FnOnce(&mut Build<'_>, &[Value]),
) -> Function {
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params.extend((0..parameters).map(|_| AbiParam::new(types::I64)));
    signature.returns.push(AbiParam::new(types::I64));
    let mut function = Function::with_name_signature(UserFuncName::user(0, 0), signature);
    let mut context = FunctionBuilderContext::new();
    let mut builder = Build(FunctionBuilder::new(&mut function, &mut context));
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    let values = builder.block_params(entry).to_vec();
    build(&mut builder, &values);
    builder.seal_all_blocks();
    builder.0.finalize(TargetFrontendConfig {
        default_call_conv: CallConv::SystemV,
        pointer_width: target_lexicon::PointerWidth::U64,
        page_size_align_log2: 12,
    });
    function
}

impl Build<'_> {
    fn callee(&mut self, namespace: u32, index: u32, parameters: &[Type], result: Type) -> FuncRef {
        let mut signature = Signature::new(CallConv::SystemV);
        signature.params.extend(parameters.iter().map(|&parameter| AbiParam::new(parameter)));
        signature.returns.push(AbiParam::new(result));
        let signature = self.import_signature(signature);
        let name = UserExternalName::new(namespace, index);
        let name = ExternalName::user(self.func.declare_imported_user_function(name));
        self.import_function(ExtFuncData { name, signature, colocated: false, patchable: false })
    }

    pub(crate) fn call(&mut self, namespace: u32, index: u32, arguments: &[Value]) -> Value {
        let parameters: Vec<Type> = arguments.iter().map(|&value| self.type_of(value)).collect();
        let callee = self.callee(namespace, index, &parameters, types::I64);
        let call = self.ins().call(callee, arguments);
        self.inst_results(call)[0]
    }

    pub(crate) fn helper(&mut self, number: u32, arguments: &[Value]) -> Value {
        self.call(names::HELPER, number, arguments)
    }

    pub(crate) fn pin(&mut self, value: Value) -> Value {
        let value_type = self.type_of(value);
        let callee = self.callee(names::INTRINSIC, names::INTRINSIC_PIN, &[value_type], value_type);
        let call = self.ins().call(callee, &[value]);
        self.inst_results(call)[0]
    }

    pub(crate) fn elem(&mut self, pointer: Value, index: Value, scale: i64) -> Value {
        let scale = self.constant(scale);
        self.call(names::INTRINSIC, names::INTRINSIC_ELEM, &[pointer, index, scale])
    }

    pub(crate) fn symbol(&mut self, namespace: u32, index: u32, offset: i64) -> Value {
        let name = UserExternalName::new(namespace, index);
        let name = ExternalName::user(self.func.declare_imported_user_function(name));
        let offset = offset.into();
        let symbol = self.create_global_value(GlobalValueData::Symbol {
            name,
            offset,
            colocated: false,
            tls: false,
        });
        self.ins().symbol_value(types::I64, symbol)
    }

    pub(crate) fn map(&mut self, index: u32) -> Value {
        self.symbol(names::MAP, index, 0)
    }

    /// A constant the optimizer cannot see.
    pub(crate) fn opaque(&mut self, constant: i64) -> Value {
        self.symbol(names::CONSTANT, 0, constant)
    }

    pub(crate) fn slot(&mut self, bytes: u32) -> StackSlot {
        let data = StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, 3);
        self.create_sized_stack_slot(data)
    }

    pub(crate) fn slot_address(&mut self, slot: StackSlot, offset: i32) -> Value {
        self.ins().stack_addr(types::I64, slot, offset)
    }

    /// The address of a new slot of `bytes` bytes.
    pub(crate) fn new_slot(&mut self, bytes: u32) -> Value {
        let slot = self.slot(bytes);
        self.slot_address(slot, 0)
    }

    pub(crate) fn constant(&mut self, constant: i64) -> Value {
        self.ins().iconst(types::I64, constant)
    }

    pub(crate) fn type_of(&self, value: Value) -> Type {
        self.func.dfg.value_type(value)
    }

    /// Looks up the element with a 4-byte key 0.
    pub(crate) fn lookup(&mut self, map: u32) -> Value {
        let key = self.new_slot(8);
        let zero = self.ins().iconst(types::I32, 0);
        self.ins().store(trusted(), zero, key, 0);
        let map = self.map(map);
        self.helper(1, &[map, key])
    }

    /// Branches to a new block if the condition is not zero, otherwise to `otherwise`, and goes on
    /// in the new block.
    pub(crate) fn guard(&mut self, condition: Value, otherwise: Block) {
        let then = self.create_block();
        self.ins().brif(condition, then, &[], otherwise, &[]);
        self.switch_to_block(then);
    }

    /// Jumps to a block and goes on there.
    pub(crate) fn goto(&mut self, block: Block) {
        self.ins().jump(block, &[]);
        self.switch_to_block(block);
    }

    pub(crate) fn return_zero(&mut self) {
        let zero = self.constant(0);
        self.ins().return_(&[zero]);
    }
}
