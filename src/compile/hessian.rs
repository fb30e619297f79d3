//! Second derivatives of a loss through its solves: the reverse of a derivative along a direction.

use super::{Settings, compile};
use crate::diag::Diagnostic;
use crate::graph::Leaf;
use crate::lower::{Domain, Gradient, Init, Lowered, Param};
use crate::model::{Hessian, Model, Number};

/// Compiles products of the Hessian of a model's loss with directions.
///
/// The derivative along a direction is found by tangents beside the states, and is then differentiated backwards by
/// `discrete`, whatever the model says: exact for the accepted steps.
///
/// ```
/// use pullback::compile::{Settings, hessian};
/// use pullback::model::{Batch, initial, unconstrain};
/// # use pullback::{check, diag::Sources, lower, syntax};
/// # let text = "param k = 0.5\nstate x = 1\nx' = -k*x\nloss = x(2)\nsolve dopri8(rtol = 1e-10), 0 .. 2\n";
/// # let mut sources = Sources::default();
/// # let (tree, _) = syntax::parse(sources.add("decay.node", text), text);
/// # let options = check::Options::default();
/// # let no_files = |_: &str| Err("no other files".to_string());
/// # let (program, _) = check::check(&tree, &mut sources, &no_files, &options);
/// # let lowered = lower::lower(&program.unwrap(), &options).unwrap();
/// // x' = -k x from x(0) = 1, and the loss is x(2) = e^(−2k): its second derivative is 4 e^(−2k).
/// let raw = unconstrain(&lowered, &initial(&lowered, 0));
/// let hessian = hessian::<f64>(lowered, &Settings::default()).unwrap();
/// let batch = Batch { data: None, samples: &[0], seed: 0, step: 0 };
/// let found = hessian.product(&raw, &[vec![1.0]], &batch);
/// assert!((found.product[0][0] - 4.0 * (-1.0_f64).exp()).abs() < 1e-8);
/// ```
///
/// # Errors
/// A method whose steps cannot be reversed, a derivative that does not exist, or a refusal of the code generator.
pub fn hessian<T: Number>(lowered: Lowered, settings: &Settings) -> Result<Hessian<T>, Diagnostic> {
    let mut lowered = lowered;
    if let Some(system) = lowered.systems.iter().find(|s| !s.options.method.has_discrete()) {
        let message =
            format!("`{}` has no second derivatives: its steps cannot be reversed", system.options.method.name());
        return Err(Diagnostic::global("N0704", message).help("choose a Runge–Kutta method such as `dopri8`"));
    }
    for system in &mut lowered.systems {
        system.gradient = Gradient::Discrete;
    }
    let count = lowered.params.len();
    for k in 0..count {
        let of = &lowered.params[k];
        let (name, shape) = (format!("direction of {}", of.name), of.shape.clone());
        let value = lowered.graph.leaf(Leaf::Param(u32::try_from(count + k).unwrap_or(u32::MAX)), &shape);
        let init = Init::Constant(vec![0.0; shape.iter().product()]);
        let raw_shape = shape.clone();
        lowered.params.push(Param { name, shape, raw_shape, domain: Domain::Real, value, init, doc: None });
    }
    lowered.outputs.clear();
    let settings = Settings { gradient: true, inputs: false, outputs: false, direction: true, ..*settings };
    let model: Model<T> = compile(lowered, &settings)?;
    Ok(Hessian::new(model))
}
