//! Published coefficients of implicit methods.
#![allow(
    clippy::unreadable_literal,
    clippy::excessive_precision,
    reason = "coefficients are copied as they are printed in the papers"
)]

use crate::solve::methods::hermite;
use crate::solve::tableau::Tableau;

/// An ESDIRK method: the first stage explicit, the others with one diagonal coefficient.
#[derive(Debug)]
pub struct Esdirk {
    /// Rows below the diagonal, weights, error weights, dense output; the last stage is the right-hand side at the new
    /// point (the method is stiffly accurate), so the diagonal belongs to row b too.
    pub tableau: Tableau,
    /// Diagonal coefficient of every stage but the first.
    pub gamma: f64,
}

/// A Rosenbrock method with `S` stages, in the form that needs no product with the Jacobian (Hairer, Wanner, Solving
/// Ordinary Differential Equations II, section IV.7, eq. 7.25): with W = I/(hγ) − ∂f/∂z(tₙ, zₙ),
///
/// W uᵢ = f(tₙ + αᵢh, zₙ + Σ aᵢⱼ uⱼ) + Σ (cᵢⱼ/h) uⱼ + dᵢ h ∂f/∂t(tₙ, zₙ), z(tₙ + h) = zₙ + Σ bᵢ uᵢ.
#[derive(Debug)]
pub struct RosenbrockTable {
    /// Order of the method.
    pub order: usize,
    /// Order of the embedded solution.
    pub embedded_order: usize,
    /// Order of dense output.
    pub dense_order: usize,
    /// γ.
    pub gamma: f64,
    /// Nodes αᵢ, `[S]`.
    pub alpha: &'static [f64],
    /// Sums γᵢ of the rows of (γᵢⱼ): the factors dᵢ of ∂f/∂t, `[S]`.
    pub d: &'static [f64],
    /// Rows aᵢ of the strictly lower triangle, for the stages 2..S.
    pub a: &'static [&'static [f64]],
    /// Rows cᵢ of the strictly lower triangle, for the stages 2..S.
    pub c: &'static [&'static [f64]],
    /// Weights bᵢ, `[S]`.
    pub b: &'static [f64],
    /// Weights bᵢ − b̂ᵢ of the error estimate, `[S]`.
    pub error: &'static [f64],
    /// Dense output z(tₙ + θh) = zₙ + Σ wᵢ(θ) uᵢ with wᵢ = θbᵢ + θ(1 − θ)(h₁ᵢ + θ(h₂ᵢ + θh₃ᵢ)), `[3][S]`.
    pub dense: [&'static [f64]; 3],
}

impl RosenbrockTable {
    /// Row aᵢ of stage `i` counted from 0; empty for the first one.
    pub(super) fn row(&self, i: usize) -> &'static [f64] {
        if i == 0 { &[] } else { self.a[i - 1] }
    }

    /// wᵢ(θ) of dense output.
    #[must_use]
    pub fn dense_weight(&self, i: usize, theta: f64) -> f64 {
        let [h1, h2, h3] = self.dense;
        theta * (self.b[i] + (1.0 - theta) * (h1[i] + theta * (h2[i] + theta * h3[i])))
    }

    /// dwᵢ/dθ.
    #[must_use]
    pub fn dense_slope(&self, i: usize, theta: f64) -> f64 {
        let [h1, h2, h3] = self.dense;
        let inner = h1[i] + theta * (h2[i] + theta * h3[i]);
        let slope = h2[i] + 2.0 * theta * h3[i];
        self.b[i] + (1.0 - 2.0 * theta) * inner + theta * (1.0 - theta) * slope
    }
}

const KVAERNO5_B: [f64; 7] = [
    0.13659751177640291,
    0.0,
    -0.05496908796538376,
    -0.04118626728321046,
    0.62993304899016403,
    0.06962479448202728,
    0.26,
];

/// Kværnø, Singly diagonally implicit Runge–Kutta methods with an explicit first stage, BIT 44 (2004) 489–502: the
/// method 5/4 with seven stages. L-stable, both solutions stiffly accurate. Dense output is the cubic Hermite
/// polynomial.
pub(in crate::solve) const KVAERNO5: Esdirk = Esdirk {
    gamma: 0.26,
    tableau: Tableau {
        order: 5,
        embedded_order: Some(4),
        dense_order: 3,
        c: &[0.0, 0.52, 1.230333209967908, 0.8957659843500759, 0.43639360985864756, 1.0, 1.0],
        a: &[
            &[0.26],
            &[0.13, 0.84033320996790809],
            &[0.22371961478320505, 0.47675532319799699, -0.06470895363112615],
            &[0.16648564323248321, 0.10450018841591720, 0.03631482272098715, -0.13090704451073998],
            &[0.13855640231268224, 0.0, -0.04245337201752043, 0.02446657898003141, 0.61943039072480676],
            &[
                0.13659751177640291,
                0.0,
                -0.05496908796538376,
                -0.04118626728321046,
                0.62993304899016403,
                0.06962479448202728,
            ],
        ],
        error: &[
            0.13659751177640291 - 0.13855640231268224,
            0.0,
            -0.05496908796538376 + 0.04245337201752043,
            -0.04118626728321046 - 0.02446657898003141,
            0.62993304899016403 - 0.61943039072480676,
            0.06962479448202728 - 0.26,
            0.26,
        ],
        coarse_error: &[],
        extra: &[],
        dense: &hermite(KVAERNO5_B, [0.0; 7]),
    },
};

const B1: f64 = -7.502846399306121;
const B2: f64 = 2.561846144803919;
const B3: f64 = -11.627539656261098;
const B4: f64 = -0.18268767659942256;
const B5: f64 = 0.030198172008377946;

/// Steinebach, Construction of Rosenbrock–Wanner method `Rodas5P` and numerical benchmarks within the Julia Differential
/// Equations package, BIT 63 (2023) 27: order 5(4), eight stages, L-stable, stiffly accurate, with dense output of
/// order 4.
pub(in crate::solve) const RODAS5P: RosenbrockTable = RosenbrockTable {
    order: 5,
    embedded_order: 4,
    dense_order: 4,
    gamma: 0.21193756319429014,
    alpha: &[0.0, 0.6358126895828704, 0.4095798393397535, 0.9769306725060716, 0.4288403609558664, 1.0, 1.0, 1.0],
    d: &[
        0.21193756319429014,
        -0.42387512638858027,
        -0.3384627126235924,
        1.8046452872882734,
        2.325825639765069,
        0.0,
        0.0,
        0.0,
    ],
    a: &[
        &[3.0],
        &[2.849394379747939, 0.45842242204463923],
        &[-6.954028509809101, 2.489845061869568, -10.358996098473584],
        &[2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641],
        &[B1, B2, B3, B4, B5],
        &[B1, B2, B3, B4, B5, 1.0],
        &[B1, B2, B3, B4, B5, 1.0, 1.0],
    ],
    c: &[
        &[-14.155112264123755],
        &[-17.97296035885952, -2.859693295451294],
        &[147.12150275711716, -1.41221402718213, 71.68940251302358],
        &[165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306],
        &[24.854864614690072, -3.0009227002832186, 47.4931110020768, 5.5814197821558125, -0.6610691825249471],
        &[
            30.91273214028599,
            -3.1208243349937974,
            77.79954646070892,
            34.28646028294783,
            -19.097331116725623,
            -28.087943162872662,
        ],
        &[
            37.80277123390563,
            -3.2571969029072276,
            112.26918849496327,
            66.9347231244047,
            -40.06618937091002,
            -54.66780262877968,
            -9.48861652309627,
        ],
    ],
    b: &[B1, B2, B3, B4, B5, 1.0, 1.0, 1.0],
    error: &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0],
    dense: [
        &[
            25.948786856663858,
            -2.5579724845846235,
            10.433815404888879,
            -2.3679251022685204,
            0.524948541321073,
            1.1241088310450404,
            0.4272876194431874,
            -0.17202221070155493,
        ],
        &[
            -9.91568850695171,
            -0.9689944594115154,
            3.0438037242978453,
            -24.495224566215796,
            20.176138334709044,
            15.98066361424651,
            -6.789040303419874,
            -6.710236069923372,
        ],
        &[
            11.419903575922262,
            2.8879645146136994,
            72.92137995996029,
            80.12511834622643,
            -52.072871366152654,
            -59.78993625266729,
            -0.15582684282751913,
            4.883087185713722,
        ],
    ],
};
