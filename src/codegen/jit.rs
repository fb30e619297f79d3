//! Machine code in memory: Cranelift modules, their lifetime, and the call.
#![allow(unsafe_code, reason = "calling generated code and freeing its memory cannot be checked by rustc")]

use super::emit::{self, Elem, Emitter, Imports};
use super::index;
use super::kernel::Element;
use super::plan::{Plan, Spec, Step, plan};
use cranelift::codegen::Context;
use cranelift::codegen::ir::{FuncRef, Function, UserFuncName};
use cranelift::codegen::isa::{self, OwnedTargetIsa};
use cranelift::codegen::settings::Flags;
use cranelift::prelude::*;
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Linkage, Module, default_libcall_names};
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::OnceLock;

type Entry<T> = unsafe extern "C" fn(*const *const T, *const *mut T, *mut T, *const T, *const i64);

/// Functions longer than this many operations are split, so that register allocation stays linear.
const LONGEST_FUNCTION: usize = 1500;

/// Up to this size Cranelift's optimiser pays; beyond, it spills and takes quadratic time (measured).
const OPTIMISED: usize = 600;

/// Whether Cranelift optimises. It would move the operations of straight code to where they are stored, and the loads to
/// the front, which spills; they are in a good order as they are.
fn optimised(plan: &Plan) -> bool {
    let straight = plan.steps.iter().any(|step| matches!(step, Step::Straight(_)));
    !straight && plan.steps.iter().map(weight).sum::<usize>() <= OPTIMISED
}

/// Compiled code; its memory is freed with it.
pub struct Code {
    module: Option<JITModule>,
    entries: Vec<*const u8>,
    words: Vec<i64>,
    size: usize,
}

// SAFETY: the code is never written after `compile`, and it keeps no state between calls.
unsafe impl Send for Code {}
// SAFETY: as above.
unsafe impl Sync for Code {}

impl Drop for Code {
    fn drop(&mut self) {
        if let Some(module) = self.module.take() {
            // SAFETY: the entries are private to this value, and no call outlives a borrow of it.
            unsafe { module.free_memory() };
        }
    }
}

impl Code {
    /// Bytes of machine code.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Runs the code on pointers to buffers whose lengths have been checked.
    pub(super) fn call<T: Element>(&self, from: &[*const T], to: &[*mut T], scratch: &mut [T], constants: &[T]) {
        for &entry in &self.entries {
            // SAFETY: the entry was compiled with this signature for this element type, and reads and writes only
            // within the lengths that the kernel has checked.
            unsafe {
                let f: Entry<T> = std::mem::transmute(entry);
                f(from.as_ptr(), to.as_ptr(), scratch.as_mut_ptr(), constants.as_ptr(), self.words.as_ptr());
            }
        }
    }
}

fn elem<T: Element>() -> Elem {
    if T::NAME == "f64" { emit::F64 } else { emit::F32 }
}

fn flags(optimise: bool) -> Result<Flags, String> {
    let mut flags = settings::builder();
    let mut set = |name: &str, value: &str| flags.set(name, value).map_err(|e| e.to_string());
    set("use_colocated_libcalls", "false")?;
    set("is_pic", "false")?;
    set("enable_verifier", if cfg!(debug_assertions) { "true" } else { "false" })?;
    set("opt_level", if optimise { "speed" } else { "none" })?;
    Ok(Flags::new(flags))
}

/// The host's instruction set, built once for each optimisation level.
fn host(optimise: bool) -> Result<OwnedTargetIsa, String> {
    static CACHE: [OnceLock<Result<OwnedTargetIsa, String>>; 2] = [OnceLock::new(), OnceLock::new()];
    CACHE[usize::from(optimise)]
        .get_or_init(|| {
            let builder = cranelift_native::builder().map_err(str::to_string)?;
            builder.finish(flags(optimise)?).map_err(|e| e.to_string())
        })
        .clone()
}

/// Rough number of instructions of a step.
fn weight(step: &Step) -> usize {
    match step {
        Step::Loop { lines, domain } => {
            let points: usize = domain.0.iter().product();
            3 * lines.len() * points.min(8) + 8
        }
        Step::Tile { .. } | Step::Conv(_) | Step::Index(_) | Step::Clear { .. } => 8,
        Step::Contract(_) => 40,
        // Loads and constants, about half of it, cost little.
        Step::Straight(straight) => straight.code.len() / 2,
    }
}

/// Steps in runs of bounded size.
fn chunks(steps: &[Step]) -> Vec<&[Step]> {
    let (mut out, mut start, mut size) = (Vec::new(), 0, 0);
    for (k, step) in steps.iter().enumerate() {
        if size > 0 && size + weight(step) > LONGEST_FUNCTION {
            out.push(&steps[start..k]);
            (start, size) = (k, 0);
        }
        size += weight(step);
    }
    if start < steps.len() {
        out.push(&steps[start..]);
    }
    out
}

/// Compiles a plan for this machine.
pub fn compile<T: Element>(plan: &Plan) -> Result<Code, String> {
    let optimise = optimised(plan);
    let mut builder = JITBuilder::with_isa(host(optimise)?, default_libcall_names());
    builder.symbols(index::symbols());
    let mut module = JITModule::new(builder);
    let config = module.target_config();
    let fused = module.isa().has_native_fma();
    let mut frontend = FunctionBuilderContext::new();
    let mut context = module.make_context();
    let mut words = Vec::new();
    let mut ids = Vec::new();
    let mut size = 0;
    let mut imported = HashMap::new();
    for (k, steps) in chunks(&plan.steps).into_iter().enumerate() {
        let name = format!("part{k}");
        let signature = signature(&module);
        let id = module.declare_function(&name, Linkage::Local, &signature).map_err(|e| e.to_string())?;
        context.func.signature = signature;
        context.func.name = UserFuncName::user(0, id.as_u32());
        let mut imports = ModuleImports {
            module: &mut module,
            words: &mut words,
            ids: &mut imported,
            elem: T::NAME,
            local: HashMap::new(),
            fused,
        };
        emit_function(&mut context, &mut frontend, plan, steps, elem::<T>(), &mut imports, config);
        module.define_function(id, &mut context).map_err(|e| format!("{e:?}"))?;
        size += context.compiled_code().map_or(0, |c| c.code_buffer().len());
        module.clear_context(&mut context);
        ids.push(id);
    }
    module.finalize_definitions().map_err(|e| e.to_string())?;
    let entries = ids.iter().map(|&id| module.get_finalized_function(id)).collect();
    Ok(Code { module: Some(module), entries, words, size })
}

fn emit_function(
    context: &mut Context,
    frontend: &mut FunctionBuilderContext,
    plan: &Plan,
    steps: &[Step],
    elem: Elem,
    imports: &mut dyn Imports,
    config: isa::TargetFrontendConfig,
) {
    let builder = FunctionBuilder::new(&mut context.func, frontend);
    let lanes = i64::try_from(plan.lanes).unwrap_or(1);
    let mut emitter = Emitter::new(builder, elem, &plan.memory, imports, lanes);
    for step in steps {
        emitter.step(step);
    }
    emitter.finish(config);
}

fn signature(module: &JITModule) -> Signature {
    let mut signature = module.make_signature();
    signature.params = vec![AbiParam::new(types::I64); 5];
    signature
}

struct ModuleImports<'m> {
    module: &'m mut JITModule,
    words: &'m mut Vec<i64>,
    ids: &'m mut HashMap<String, FuncId>,
    elem: &'static str,
    local: HashMap<String, FuncRef>,
    fused: bool,
}

impl Imports for ModuleImports<'_> {
    fn kernel(&mut self, func: &mut Function, name: &str) -> FuncRef {
        let symbol = format!("{name}_{}", self.elem);
        if let Some(&f) = self.local.get(&symbol) {
            return f;
        }
        let id = match self.ids.get(&symbol) {
            Some(&id) => id,
            None => {
                let mut signature = self.module.make_signature();
                signature.params = vec![AbiParam::new(types::I64); index::arity(name)];
                let id = self
                    .module
                    .declare_function(&symbol, Linkage::Import, &signature)
                    .expect("kernels are declared once with one signature");
                self.ids.insert(symbol.clone(), id);
                id
            }
        };
        let f = self.module.declare_func_in_func(id, func);
        self.local.insert(symbol, f);
        f
    }

    fn fused(&self) -> bool {
        self.fused
    }

    fn describe(&mut self, words: &[i64]) -> i64 {
        let at = self.words.len() * 8;
        self.words.extend_from_slice(words);
        i64::try_from(at).unwrap_or(0)
    }
}

/// Which machine a listing is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// This one.
    Host,
    /// A fixed x86-64 (AVX2 and FMA), the same wherever it is asked for.
    X86,
}

/// Cranelift's intermediate code and assembly of a kernel.
#[derive(Clone, Debug)]
pub struct Listing {
    /// CLIF.
    pub clif: String,
    /// Assembly.
    pub asm: String,
}

/// The code of a kernel as text.
///
/// # Errors
/// When the code generator refuses.
pub fn listing<T: Element>(spec: &Spec, target: Target) -> Result<Listing, String> {
    let plan = plan(spec);
    let optimise = optimised(&plan);
    let isa = match target {
        Target::Host => host(optimise)?,
        Target::X86 => pinned("x86_64-unknown-linux-gnu", &["has_avx", "has_avx2", "has_fma"], optimise)?,
    };
    let mut frontend = FunctionBuilderContext::new();
    let mut out = Listing { clif: String::new(), asm: String::new() };
    for steps in chunks(&plan.steps) {
        let mut context = Context::new();
        context.set_disasm(true);
        context.func.signature = Signature::new(isa.default_call_conv());
        context.func.signature.params = vec![AbiParam::new(types::I64); 5];
        let fused = isa.has_native_fma();
        let mut imports = TextImports { words: 0, elem: T::NAME, names: HashMap::new(), fused };
        emit_function(&mut context, &mut frontend, &plan, steps, elem::<T>(), &mut imports, isa.frontend_config());
        let _ = writeln!(out.clif, "{}", context.func.display());
        let code = context.compile(&*isa, &mut control()).map_err(|e| format!("{:?}", e.inner))?;
        let _ = writeln!(out.asm, "{}", code.vcode.as_deref().unwrap_or(""));
    }
    Ok(out)
}

fn control() -> cranelift::codegen::control::ControlPlane {
    cranelift::codegen::control::ControlPlane::default()
}

fn pinned(triple: &str, features: &[&str], optimise: bool) -> Result<OwnedTargetIsa, String> {
    let mut builder = isa::lookup_by_name(triple).map_err(|e| e.to_string())?;
    for feature in features {
        builder.enable(feature).map_err(|e| e.to_string())?;
    }
    builder.finish(flags(optimise)?).map_err(|e| e.to_string())
}

struct TextImports {
    words: i64,
    elem: &'static str,
    names: HashMap<String, FuncRef>,
    fused: bool,
}

impl Imports for TextImports {
    fn kernel(&mut self, func: &mut Function, name: &str) -> FuncRef {
        let symbol = format!("{name}_{}", self.elem);
        if let Some(&f) = self.names.get(&symbol) {
            return f;
        }
        let mut signature = Signature::new(func.signature.call_conv);
        signature.params = vec![AbiParam::new(types::I64); index::arity(name)];
        let signature = func.import_signature(signature);
        let name = cranelift::codegen::ir::ExternalName::testcase(&symbol);
        let f = func.import_function(cranelift::codegen::ir::ExtFuncData {
            name,
            signature,
            colocated: false,
            patchable: false,
        });
        self.names.insert(symbol, f);
        f
    }

    fn fused(&self) -> bool {
        self.fused
    }

    fn describe(&mut self, words: &[i64]) -> i64 {
        let at = self.words;
        self.words += 8 * i64::try_from(words.len()).unwrap_or(0);
        at
    }
}
