"""Special functions against values of mpmath, against each other, and at the edges.

Start reading at ``VALUES``: per function, its arguments and the exact result rounded to float64.
"""

import math

import numpy as np
import pytest

from regrad.kernels.reference import special

nan, inf = math.nan, math.inf

VALUES = {
    "erf": [
        (1e-300, 1.1283791670955126e-300), (0.1, 0.1124629160182849), (0.5, 0.5204998778130465),
        (-1.0, -0.8427007929497149), (2.0, 0.9953222650189527), (-3.5, -0.9999992569016276),
        (5.5, 0.9999999999999927),
    ],
    "erfc": [
        (-3.0, 1.9999779095030015), (-0.5, 1.5204998778130465), (0.25, 0.7236736098317631),
        (1.0, 0.15729920705028513), (4.0, 1.541725790028002e-08), (10.0, 2.088487583762545e-45),
        (26.0, 5.663192408856143e-296),
    ],
    "erfcx": [
        (-5.0, 144009798674.66104), (-0.5, 1.952360489182557), (0.5, 0.6156903441929259),
        (3.0, 0.17900115118138996), (26.9, 0.02095912807445141), (30.0, 0.01879588886141675),
        (100.0, 0.005641613782989433),
    ],
    "erfinv": [
        (1e-20, 8.86226925452758e-21), (0.1, 0.08885599049425769), (-0.5, -0.4769362762044699),
        (0.9, 1.1630871536766743), (-0.999, -2.3267537655135246), (0.9999999999, 4.572824958544925),
    ],
    "ndtr": [
        (-37.0, 5.725571222524577e-300), (-5.0, 2.866515718791939e-07), (-1.0, 0.15865525393145705),
        (0.5, 0.6914624612740131), (3.0, 0.9986501019683699),
    ],
    "log_ndtr": [
        (-1000.0, -500007.82669481216), (-20.0, -203.91715537109727), (-1.5, -2.7059444008238898),
        (-0.5, -1.1759117615936185), (2.0, -0.02301290932896349), (8.0, -6.220960574271786e-16),
    ],
    "ndtri": [
        (1e-200, -30.20559417957964), (1e-10, -6.361340902404057), (0.01, -2.326347874040841),
        (0.3, -0.5244005127080408), (0.6, 0.2533471031357997), (0.975, 1.9599639845400538),
    ],
    "lgamma": [
        (1e-300, 690.7755278982137), (0.25, 1.2880225246980774), (0.999, 0.0005780385328913802),
        (1.001, -0.0005763935982833062), (2.001, 0.000423106734800117), (3.5, 1.2009736023470743),
        (7.9, 8.32426586800881), (8.1, 8.72738826343204), (50.0, 144.5657439463449),
        (1000000.0, 12815504.569147611), (1e+300, 6.897755278982137e+302), (-0.5, 1.2655121234846454),
        (-1.5, 0.860047015376481), (-10.25, -14.20399790093109),
    ],
    "digamma": [
        (1e-05, -100000.57719921567), (0.5, -1.9635100260214235), (1.0, -0.5772156649015329),
        (1.4616321449683622, -9.241265521729427e-17), (3.0, 0.9227843350984671), (7.9, 2.002238487563571),
        (8.1, 2.0288674570805814), (100.0, 4.600161852738087), (10000000000.0, 23.025850929890456),
        (-0.5, 0.03648997397857652), (-2.25, 4.158583564657972), (-10.75, -0.7208957601671612),
    ],
    "polygamma": [
        (1, 0.001, 1000001.6425331958), (1, 0.25, 17.19732915450711), (1, 5.0, 0.22132295573711533),
        (1, 100.0, 0.010050166663333571), (1, -1.5, 9.379246644989124), (2, 0.5, -16.82879664423432),
        (2, 3.0, -0.15411380631918858), (2, -0.25, 122.69736678366236), (3, 2.0, 0.49393940226682914),
        (3, -4.5, 194.802491475329), (4, 10.0, -0.0007299311682352867), (10, 1.5, -42108.85876897549),
        (25, 0.75, 2.7482284474491356e+28),
    ],
    "zeta": [
        (2.0, 1.0, 1.6449340668482264), (1.0625, 1.0, 16.58174764665502), (1.5, 0.25, 10.213055360466601),
        (2.5, 3.0, 0.1647105619542803), (3.0, 50.0, 0.00020403999466879846), (8.0, 0.5, 256.0397258304758),
        (30.0, 2.0, 9.313274324196682e-10), (3.0, -1.5, 0.1181020258208637),
        (4.0, -20.25, 259.7575388239817), (2.0, -0.001, 1000001.6473414317),
    ],
    "multigammaln": [
        (1.5, 1, -0.12078223763524522), (1.5, 2, 0.4515827052894549), (3.0, 4, 4.29123747094582),
        (12.5, 5, 87.29734305610386),
    ],
    "igamma": [
        (0.001, 0.1, 0.9981780097379502), (0.5, 0.25, 0.5204998778130465), (0.5, 2.0, 0.9544997361036416),
        (1.0, 1.0, 0.6321205588285577), (2.5, 30.0, 0.9999999999878454), (5.0, 2.0, 0.05265301734371116),
        (15.0, 16.0, 0.6324726402344351), (30.0, 10.0, 2.5099512015279076e-07),
        (30.0, 29.0, 0.4508291147181239), (30.0, 60.0, 0.9999931237350312),
        (150.0, 140.0, 0.20954362391860706), (1000.0, 1020.0, 0.7385271844801109),
        (64.25, 0.001, 4.938036657517408e-283), (100000.0, 100100.0, 0.6244451307044055),
    ],
    "igammac": [
        (0.001, 0.1, 0.0018219902620497243), (0.5, 0.25, 0.4795001221869535),
        (0.5, 2.0, 0.04550026389635842), (1.0, 1.0, 0.36787944117144233),
        (2.5, 30.0, 1.215456977718304e-11), (5.0, 2.0, 0.9473469826562888),
        (15.0, 16.0, 0.36752735976556494), (30.0, 10.0, 0.9999997490048799),
        (30.0, 29.0, 0.5491708852818761), (30.0, 60.0, 6.876264968732097e-06),
        (150.0, 140.0, 0.790456376081393), (1000.0, 1020.0, 0.2614728155198891),
        (100000.0, 100100.0, 0.3755548692955945),
    ],
    "i0": [
        (1e-05, 1.000000000025), (0.5, 1.0634833707413236), (-3.0, 4.8807925858650245),
        (12.0, 18948.925349296307), (21.0, 115513961.92215806), (-300.0, 4.475847367935052e+128),
    ],
    "i1": [
        (1e-05, 5.0000000000625004e-06), (0.5, 0.2578943053908963), (-3.0, -3.9533702174026093),
        (12.0, 18141.348781638833), (21.0, 112729199.13777553), (-300.0, -4.468381385036955e+128),
    ],
    "i0e": [
        (0.5, 0.6450352704491501), (-3.0, 0.2430003541618254), (19.9, 0.0900085888643896),
        (20.1, 0.08955376362061344), (10000.0, 0.003989472674604732),
    ],
    "i1e": [
        (0.5, 0.1564208031848717), (-3.0, -0.19682671329730086), (19.9, 0.0877171021317061),
        (20.1, 0.08729685184320159), (10000.0, 0.003989273195983662),
    ],
    "modified_bessel_k0": [
        (1e-10, 23.14178244559887), (0.1, 2.4270690247020164), (1.0, 0.42102443824070834),
        (1.9, 0.1288459792760475), (2.1, 0.10078374088996693), (5.0, 0.0036910983340425942),
        (50.0, 3.4101677497894956e-23), (600.0, 1.3558285309948523e-262),
    ],
    "modified_bessel_k1": [
        (1e-10, 10000000000.0), (0.1, 9.853844780870606), (1.0, 0.6019072301972346),
        (1.9, 0.15966015303266762), (2.1, 0.12274641153350789), (5.0, 0.004044613445452165),
        (50.0, 3.4441022267175555e-23), (600.0, 1.356957918112806e-262),
    ],
    "scaled_modified_bessel_k0": [
        (1e-10, 23.141782447913048), (0.1, 2.6823261022628944), (1.0, 1.144463079806895),
        (1.9, 0.8614506167517558), (2.1, 0.8230171525316621), (5.0, 0.547807564313519),
        (50.0, 0.17680715585742934), (600.0, 0.05115568572023596), (100000.0, 0.003963322343474756),
    ],
    "scaled_modified_bessel_k1": [
        (1e-10, 10000000001.0), (0.1, 10.890182683049696), (1.0, 1.6361534862632583),
        (1.9, 1.0674709298145701), (2.1, 1.0023680527405792), (5.0, 0.6002738587883126),
        (50.0, 0.17856655855881556), (600.0, 0.05119829772547244), (100000.0, 0.003963342160036932),
    ],
    "bessel_j0": [
        (1e-08, 1.0), (0.5, 0.9384698072408129), (1.5, 0.5118276717359181), (100.0, 0.019985850304223122),
        (1000.0, 0.024786686152420176), (100000000.0, 3.206029534041208e-05), (-0.75, 0.8642422751666486),
    ],
    "bessel_j1": [
        (1e-08, 5e-09), (0.5, 0.2422684576748739), (1.5, 0.5579365079100996),
        (100.0, -0.07714535201411216), (1000.0, 0.004728311907089524),
        (100000000.0, 7.306391181551854e-05), (-0.75, -0.34924360217486217),
    ],
    "bessel_y0": [
        (1e-08, -11.80077387717953), (0.5, -0.44451873350670656), (1.5, 0.38244892379775886),
        (100.0, -0.07724431336508315), (1000.0, 0.0047159179776228135),
        (100000000.0, 7.306391165521707e-05),
    ],
    "bessel_y1": [
        (1e-08, -63661977.236758195), (0.5, -1.471472392670243), (1.5, -0.4123086269739113),
        (100.0, -0.020372312002759792), (1000.0, -0.024784331292351778),
        (100000000.0, -3.2060294975092524e-05),
    ],
    "spherical_bessel_j0": [
        (1e-300, 1.0), (0.25, 0.9896158370180917), (-2.0, 0.45464871341284085),
        (50.0, -0.005247497074078576),
    ],
    "airy_ai": [
        (-40.0, -0.04593392343795725), (-12.0, -0.06655517505437313), (-2.0, 0.22740742820168558),
        (-0.5, 0.4757280916105396), (0.0, 0.3550280538878172), (1.0, 0.13529241631288141),
        (2.0, 0.03492413042327438), (2.25, 0.023654658557747447), (10.0, 1.1047532552898686e-10),
        (50.0, 4.5849417240748285e-104),
    ],
    "entr": [
        (1e-300, 6.9077552789821376e-298), (0.5, 0.34657359027997264), (1.0, 0.0),
        (20.0, -59.91464547107982),
    ],
    "xlog1py": [
        (2.0, 1e-20, 2e-20), (-1.5, 3.0, -2.0794415416798357), (1e+300, -0.5, -6.931471805599454e+299),
    ],
    "sinc": [
        (1e-08, 0.9999999999999999), (0.5, 0.6366197723675814), (-1.25, -0.18006326323142122),
        (10.5, 0.03031522725559911),
    ],
    "chebyshev_polynomial_t": [
        (0.3, 3.0, -0.7919999999999999), (0.3, 40.0, 0.9291591886517991),
        (-0.99, 9.0, -0.2925965181858296), (1.5, 12.0, 51841.0), (-2.0, 5.0, -362.0),
    ],
    "chebyshev_polynomial_u": [
        (0.3, 3.0, -0.984), (0.3, 40.0, 1.0454181275398593), (-0.99, 9.0, -7.003387987666378),
        (1.5, 12.0, 121393.0), (-2.0, 5.0, -780.0),
    ],
    "chebyshev_polynomial_v": [
        (0.3, 3.0, -0.344), (0.3, 40.0, 0.6578883312463252), (-0.99, 9.0, -13.781965229565921),
        (1.5, 12.0, 75025.0), (-2.0, 5.0, -989.0),
    ],
    "chebyshev_polynomial_w": [
        (0.3, 3.0, -1.624), (0.3, 40.0, 1.4329479238333935), (-0.99, 9.0, -0.2248107457668341),
        (1.5, 12.0, 167761.0), (-2.0, 5.0, -571.0),
    ],
    "hermite_polynomial_h": [
        (0.3, 4.0, 7.8096000000000005), (-1.5, 7.0, -801.0), (2.0, 30.0, 1.4736842857711185e+21),
    ],
    "hermite_polynomial_he": [
        (0.3, 4.0, 2.4681), (-1.5, 7.0, -54.4921875), (2.0, 30.0, 171293822242549.0),
    ],
    "laguerre_polynomial_l": [
        (0.3, 4.0, 0.05233750000000003), (-1.5, 7.0, 63.63835100446428), (2.0, 30.0, -0.3322935323781834),
    ],
    "legendre_polynomial_p": [
        (0.3, 4.0, 0.07293750000000002), (-0.75, 25.0, -0.06842766647568362), (1.5, 7.0, 192.37646484375),
    ],
}

RTOL = {"airy_ai": 3e-13, "igamma": 1e-13}  # rounding the argument of an exponential or a sine costs digits
ARRAYS = sorted(set(VALUES) - {"polygamma", "multigammaln"})
UNARY = [name for name in ARRAYS if len(VALUES[name][0]) == 2]
BINARY = [name for name in ARRAYS if len(VALUES[name][0]) == 3]
POLYNOMIALS = [name for name in special.__all__ if "polynomial" in name]
RARE = sorted({*UNARY, "igamma", "igammac", "zeta"} - {"erf", "erfc", "entr", "sinc"})  # computed in float64


def columns(name):
    *arguments, want = (np.array(column) for column in zip(*VALUES[name]))
    return arguments, want


def close(got, want, rtol=4e-15, atol=0.0):
    np.testing.assert_allclose(got, want, rtol=rtol, atol=atol)


# Values


@pytest.mark.parametrize("name", ARRAYS)
def test_values_are_those_of_mpmath(name):
    arguments, want = columns(name)
    close(getattr(special, name)(*arguments), want, rtol=RTOL.get(name, 2e-14))


@pytest.mark.parametrize(("n", "x", "want"), VALUES["polygamma"])
def test_polygamma_values_are_those_of_mpmath(n, x, want):
    close(special.polygamma(n, np.array(x)), want, rtol=3e-14)


def test_polygamma_of_order_zero_is_digamma():
    x = np.array([0.5, 3.0])
    assert special.digamma(x).tolist() == special.polygamma(0, x).tolist()


@pytest.mark.parametrize(("x", "p", "want"), VALUES["multigammaln"])
def test_multigammaln_values_are_those_of_mpmath(x, p, want):
    close(special.multigammaln(np.array(x), p=p), want)


@pytest.mark.parametrize(("name", "x", "pytorch", "exact"), [
    ("bessel_j0", 5.5, -0.006844032739174986, -0.006843869417819197),
    ("bessel_j0", 8.0, 0.17165080909758512, 0.1716508071375539),
    ("bessel_j1", 5.5, -0.3414382146061456, -0.34143821542904335),
    ("bessel_j1", 8.0, 0.2346363501030504, 0.23463634685391463),
    ("bessel_y0", 4.5, -0.19470501161430626, -0.19470500862950454),
    ("bessel_y0", 8.0, 0.22352148793012566, 0.22352148938756622),
    ("bessel_y1", 4.5, 0.30099732555461006, 0.3009973230696546),
    ("bessel_y1", 5.5, -0.023758610827091027, -0.023758238956389618),
    ("airy_ai", -2.25, 0.06159980873926874, 0.06159865877700528),
    ("airy_ai", -3.5, -0.37553382330213075, -0.37553382314043193),
])
def test_between_its_two_ranges_a_bessel_function_has_the_error_of_pytorch(name, x, pytorch, exact):
    got = getattr(special, name)(np.array(x))
    close(got, pytorch, rtol=1e-12)
    close(got, exact, rtol=0, atol=3e-6)


# Identities


def test_erf_is_odd_and_stays_within_one():
    x = np.linspace(-8, 8, 100_001)
    for dtype in (np.float32, np.float64):
        y = special.erf(x.astype(dtype))
        assert np.array_equal(-y, special.erf(-x.astype(dtype)))
        assert np.abs(y).max() == 1


def test_erf_and_erfc_add_up_to_one():
    x = np.linspace(-6, 6, 1001)
    close(special.erf(x) + special.erfc(x), np.ones(1001))


def test_erfcx_is_the_scaled_erfc():
    x = np.linspace(-5, 5, 1001)
    close(special.erfcx(x), np.exp(x * x) * special.erfc(x), rtol=2e-14)


def test_inverses_undo_their_functions():
    p = np.concatenate([np.logspace(-300, -1, 300), np.linspace(0.1, 0.9, 100)])
    close(special.ndtr(special.ndtri(p)), p, rtol=1e-12)
    y = np.concatenate([np.logspace(-300, -1, 300), np.linspace(-0.9, 0.9, 100)])
    close(special.erf(special.erfinv(y)), y)


def test_ndtr_is_half_of_erfc():
    x = np.linspace(-20, 8, 1001)
    close(special.ndtr(x), special.erfc(-x / math.sqrt(2)) / 2, rtol=1e-13)
    close(special.log_ndtr(x), np.log(special.ndtr(x)), atol=1e-15)


def test_gamma_functions_step_by_their_recurrences():
    x = np.concatenate([np.linspace(-9.9, 20, 598), np.logspace(-8, 8, 100)])
    log = np.log(np.abs(x))
    step = special.lgamma(x + 1) - special.lgamma(x)
    assert np.all(np.abs(step - log) < 4e-15 * (np.abs(special.lgamma(x)) + np.abs(log) + 1))
    near = x[x < 25]
    close(special.digamma(near + 1) - special.digamma(near), 1 / near, rtol=1e-11, atol=1e-13)
    for n in (1, 2, 3, 6):
        step = special.polygamma(n, near + 1) - special.polygamma(n, near)
        size = np.abs(special.polygamma(n, near)) + 1
        assert np.all(np.abs(step - (-1) ** n * math.factorial(n) / near ** (n + 1)) < 1e-10 * size)


def test_gamma_functions_reflect():
    x = np.linspace(0.01, 0.99, 99)
    close(special.lgamma(x) + special.lgamma(1 - x), np.log(math.pi / np.sin(math.pi * x)), atol=1e-14)
    close(special.digamma(1 - x) - special.digamma(x), math.pi / np.tan(math.pi * x), atol=1e-13)
    both = special.polygamma(1, 1 - x) + special.polygamma(1, x)
    close(both, (math.pi / np.sin(math.pi * x)) ** 2, rtol=1e-14)


def test_zeta_steps_by_its_first_term_on_both_sides_of_zero():
    q = np.linspace(-7.9, 7.9, 80)
    for s in (2.0, 3.0, 10.0):
        step = special.zeta(s, q) - special.zeta(s, q + 1)
        largest_term = np.abs(q - np.rint(q)) ** -s
        assert np.all(np.abs(step - q**-s) < 1e-14 * largest_term)


def test_incomplete_gamma_functions_add_up_to_one_and_meet_at_the_borders_of_their_methods():
    a = np.array([1e-8, 0.3, 1.0, 1.1, 5.0, 19.99, 20.01, 100.0, 1e4, 1e8])[:, None]
    ratios = np.array([1e-3, 0.1, 0.5, 0.7, 0.99, 1.0, 1.01, 1.1, 1.3, 2.0, 10.0])
    close(special.igamma(a, a * ratios) + special.igammac(a, a * ratios), np.ones((10, 11)))
    for border in (0.7, 1.0, 1.3):
        below, above = (special.igamma(a, a * border * (1 + side)) for side in (-1e-13, 1e-13))
        close(below, above, rtol=1e-8, atol=1e-300)


def test_igamma_of_one_is_an_exponential():
    x = np.logspace(-10, 2, 200)
    close(special.igamma(1.0, x), -np.expm1(-x))
    close(special.igammac(1.0, x), np.exp(-x), rtol=2e-14)


def test_bessel_functions_have_their_wronskians():
    x = np.concatenate([np.linspace(0.05, 1.9, 100), np.linspace(15, 60, 100)])
    j0, j1, y0, y1 = (getattr(special, f"bessel_{name}")(x) for name in ("j0", "j1", "y0", "y1"))
    close(j1 * y0 - j0 * y1, 2 / (math.pi * x), rtol=2e-8)
    x = np.linspace(0.05, 60, 400)
    k0, k1 = special.scaled_modified_bessel_k0(x), special.scaled_modified_bessel_k1(x)
    close(special.i0e(x) * k1 + special.i1e(x) * k0, 1 / x, rtol=1e-14)
    close(special.modified_bessel_k0(x), np.exp(-x) * k0, rtol=1e-14)
    close(special.modified_bessel_k1(x), np.exp(-x) * k1, rtol=1e-14)


def test_j0_keeps_its_precision_for_a_huge_argument():
    x = 1e15
    wave = math.sin(x) + math.cos(x)
    close(special.bessel_j0(np.array(x)), wave / math.sqrt(math.pi * x), rtol=1e-14)


def test_chebyshev_polynomials_are_trigonometric_below_one_and_hyperbolic_above():
    n = np.arange(30.0)[:, None]
    t = np.linspace(0.1, 3.0, 40)
    x = np.cos(t)
    close(special.chebyshev_polynomial_t(x, n), np.cos(n * t), rtol=0, atol=1e-12)
    close(special.chebyshev_polynomial_u(x, n) * np.sin(t), np.sin((n + 1) * t), rtol=0, atol=1e-12)
    close(special.chebyshev_polynomial_v(x, n) * np.cos(t / 2), np.cos((n + 0.5) * t), rtol=0, atol=1e-12)
    close(special.chebyshev_polynomial_w(x, n) * np.sin(t / 2), np.sin((n + 0.5) * t), rtol=0, atol=1e-12)
    close(special.chebyshev_polynomial_t(np.cosh(t), n), np.cosh(n * t), rtol=1e-11)


@pytest.mark.parametrize("kind", "tuvw")
def test_a_shifted_chebyshev_polynomial_is_the_polynomial_of_2x_less_1(kind):
    x, n = np.linspace(-0.5, 1.5, 21), np.arange(12.0)[:, None]
    shifted = getattr(special, f"shifted_chebyshev_polynomial_{kind}")
    assert shifted.__name__ == f"shifted_chebyshev_polynomial_{kind}"
    assert np.array_equal(getattr(special, f"chebyshev_polynomial_{kind}")(2 * x - 1, n), shifted(x, n))


def test_low_degrees_are_the_polynomials_of_the_textbooks():
    x = np.linspace(-2, 2, 9)
    for name, *polynomials in (
        ("chebyshev_polynomial_t", 1, x, 2 * x**2 - 1, 4 * x**3 - 3 * x),
        ("chebyshev_polynomial_u", 1, 2 * x, 4 * x**2 - 1, 8 * x**3 - 4 * x),
        ("chebyshev_polynomial_v", 1, 2 * x - 1, 4 * x**2 - 2 * x - 1, 8 * x**3 - 4 * x**2 - 4 * x + 1),
        ("chebyshev_polynomial_w", 1, 2 * x + 1, 4 * x**2 + 2 * x - 1, 8 * x**3 + 4 * x**2 - 4 * x - 1),
        ("hermite_polynomial_h", 1, 2 * x, 4 * x**2 - 2, 8 * x**3 - 12 * x),
        ("hermite_polynomial_he", 1, x, x**2 - 1, x**3 - 3 * x),
        ("laguerre_polynomial_l", 1, 1 - x, x**2 / 2 - 2 * x + 1, -(x**3) / 6 + 1.5 * x**2 - 3 * x + 1),
        ("legendre_polynomial_p", 1, x, 1.5 * x**2 - 0.5, 2.5 * x**3 - 1.5 * x),
    ):
        for n, polynomial in enumerate(polynomials):
            close(getattr(special, name)(x, float(n)), polynomial + 0 * x, rtol=1e-14, atol=1e-14)


# Edges


@pytest.mark.parametrize(("name", "x", "want"), [
    ("erf", [inf, -inf, 0.0, 1e300], [1, -1, 0, 1]),
    ("erfc", [inf, -inf, 0.0, 30.0], [0, 2, 1, 0]),
    ("erfcx", [inf, -inf, 0.0, -30.0], [0, inf, 1, inf]),
    ("erfinv", [1.0, -1.0, 0.0, 1.5, inf], [inf, -inf, 0, nan, nan]),
    ("ndtr", [inf, -inf, 0.0, -50.0], [1, 0, 0.5, 0]),
    ("ndtri", [0.0, 1.0, 0.5, -0.1, 1.1, inf], [-inf, inf, 0, nan, nan, nan]),
    ("log_ndtr", [inf, -inf, -2.0**100], [0, -inf, -(2.0**199)]),
    ("lgamma", [0.0, -0.0, -1.0, -7.0, inf, -inf, 1.0, 2.0], [inf, inf, inf, inf, inf, inf, 0, 0]),
    ("digamma", [0.0, -0.0, -1.0, -7.0, inf, -inf], [-inf, inf, nan, nan, inf, nan]),
    ("i0", [0.0, inf, -inf, 750.0], [1, nan, nan, inf]),
    ("i1", [0.0, inf, -inf, -750.0], [0, nan, nan, -inf]),
    ("i0e", [0.0, inf, -inf], [1, 0, 0]),
    ("i1e", [0.0, inf, -inf], [0, 0, 0]),
    ("modified_bessel_k0", [0.0, -1.0, inf, -inf, 750.0], [inf, nan, 0, nan, 0]),
    ("modified_bessel_k1", [0.0, -1.0, inf, -inf, 750.0], [inf, nan, 0, nan, 0]),
    ("scaled_modified_bessel_k0", [0.0, -1.0, inf, -inf], [inf, nan, 0, nan]),
    ("scaled_modified_bessel_k1", [0.0, -1.0, inf, -inf], [inf, nan, 0, nan]),
    ("bessel_j0", [0.0, inf, -inf], [1, nan, nan]),
    ("bessel_j1", [0.0, inf, -inf], [0, nan, nan]),
    ("bessel_y0", [0.0, -1.0, inf, -inf], [-inf, nan, nan, nan]),
    ("bessel_y1", [0.0, -1.0, inf, -inf], [-inf, nan, nan, nan]),
    ("spherical_bessel_j0", [0.0, inf, -inf], [1, 0, 0]),
    ("airy_ai", [inf, -inf, 200.0], [nan, nan, 0]),
    ("entr", [0.0, -1.0, inf, -inf], [0, -inf, -inf, -inf]),
    ("sinc", [0.0, inf], [1, nan]),
])
def test_edges_of_functions_of_one_argument(name, x, want):
    for dtype in (np.float32, np.float64):
        with np.errstate(over="ignore"):
            x_, want_ = np.array(x).astype(dtype), np.array(want).astype(dtype)
        np.testing.assert_array_equal(getattr(special, name)(x_), want_)


def test_trigamma_is_zero_at_infinity_and_infinite_at_the_poles():
    np.testing.assert_array_equal(special.polygamma(1, np.array([inf, 0.0, -0.0, -3.0])), [0, inf, inf, inf])
    np.testing.assert_array_equal(special.polygamma(2, np.array([0.0, -3.0])), [-inf, -inf])


@pytest.mark.parametrize(("name", "rows"), [
    ("igamma", [
        (0, 0, nan), (0, 1, 1), (1, 0, 0), (inf, 1, 0), (1, inf, 1), (inf, inf, nan), (-1, 1, nan),
        (1, -1, nan), (nan, inf, 1), (inf, nan, 0), (1, nan, nan), (nan, 1, nan),
    ]),
    ("igammac", [
        (0, 0, nan), (0, 1, 0), (1, 0, 1), (inf, 1, 1), (1, inf, 0), (inf, inf, nan), (-1, 1, nan),
        (1, -1, nan), (nan, inf, 0), (inf, nan, 1), (1, nan, nan), (nan, 1, nan),
    ]),
    ("zeta", [
        (1, 2, inf), (0.5, 2, nan), (2, 0, inf), (2, -3, inf), (2.5, -0.5, nan), (nan, 2, nan), (2, nan, nan),
        (nan, 0, inf), (inf, 1, 1), (inf, 2, nan), (2.5, inf, nan), (2.5, -inf, inf), (-inf, 1, nan),
    ]),
    ("xlog1py", [
        (0, -1, 0), (0, inf, 0), (0, -2, 0), (0, nan, nan), (nan, 0, nan), (1, -1, -inf), (-2, -1, inf),
        (1, -2, nan), (inf, 1, inf), (inf, 0, nan),
    ]),
])
def test_edges_of_functions_of_two_arguments(name, rows):
    a, b, want = np.array(rows, np.float64).T
    for dtype in (np.float32, np.float64):
        np.testing.assert_array_equal(getattr(special, name)(a.astype(dtype), b.astype(dtype)), want)


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_a_degree_is_truncated_and_a_negative_or_infinite_one_gives_zero(name):
    f, x = getattr(special, name), 0.3
    assert f(x, 3.0) == f(x, 3.9)
    assert f(x, -0.5) == f(x, 0.0) == 1
    assert [0, 0, 0, 0] == [f(x, n) for n in (-1.0, -inf, inf, nan)]
    assert [1, 0] == [f(nan, n) for n in (0.0, -1.0)]
    assert np.isnan([f(nan, n) for n in (1.0, 2.0, 20.0)]).all()


@pytest.mark.parametrize(("name", "right", "left"), [
    ("chebyshev_polynomial_t", 1, 1), ("chebyshev_polynomial_u", 10_001, 10_001),
    ("chebyshev_polynomial_v", 1, 20_001), ("chebyshev_polynomial_w", 20_001, 1),
    ("legendre_polynomial_p", 1, 1),
])
def test_the_ends_of_the_interval_take_no_time_for_a_huge_degree(name, right, left):
    f = getattr(special, name)
    assert [right, left] == [f(1.0, 10_000.0), f(-1.0, 10_000.0)]
    assert np.sign(f(-1.0, 1e15 + 1)) == -1


def test_a_polynomial_that_overflows_ends_as_nan_without_reaching_its_degree():
    assert np.isnan(special.chebyshev_polynomial_t(2.0, 1e15))
    assert special.laguerre_polynomial_l(0.0, 1e15) == 1


def test_hermite_polynomials_stop_where_pytorch_stops():
    assert np.isfinite(special.hermite_polynomial_he(0.1, 30.0))
    assert np.isnan(special.hermite_polynomial_he(0.1, 513.0))
    assert np.isnan(special.hermite_polynomial_h(np.float32(0.0), np.float32(129.0)))
    assert np.isfinite(special.hermite_polynomial_h(0.0, 129.0))


# Arrays


@pytest.mark.parametrize("name", UNARY)
def test_nan_comes_through_alone_and_nothing_warns(name):
    (x,), _ = columns(name)
    for dtype in (np.float16, np.float32, np.float64):
        with np.errstate(all="ignore"):
            x_with_nan = np.append(x, nan).astype(dtype)
        with np.errstate(all="raise"):
            got = getattr(special, name)(x_with_nan)
        assert np.isnan(got[-1])
        if dtype is np.float64:
            assert not np.isnan(got[:-1]).any()


@pytest.mark.parametrize("name", ARRAYS)
def test_a_result_has_the_dtype_of_the_arguments_and_integers_give_float64(name):
    count = 1 if name in UNARY else 2
    for given, want in (
        (np.float16, np.float16), (np.float32, np.float32), (np.float64, np.float64), (np.int64, np.float64),
    ):
        arguments = [np.ones(3, given)] * count
        got = getattr(special, name)(*arguments)
        assert want == got.dtype
        assert (3,) == got.shape


def test_polygamma_and_multigammaln_keep_their_dtype():
    x = np.array([1.5, 2.5], np.float32)
    for n in range(4):
        assert np.float32 == special.polygamma(n, x).dtype
    assert np.float32 == special.multigammaln(x, p=2).dtype


@pytest.mark.parametrize("name", RARE)
def test_float32_is_rounded_once(name):
    arguments, _ = columns(name)
    with np.errstate(over="ignore", under="ignore"):
        single = [a.astype(np.float32) for a in arguments]
        want = getattr(special, name)(*[a.astype(np.float64) for a in single]).astype(np.float32)
    np.testing.assert_array_equal(getattr(special, name)(*single), want)


def test_erf_and_erfc_in_float32_are_right_to_two_units_and_to_one():
    x = np.linspace(-10, 10, 400_001).astype(np.float32)
    for f, limit in ((special.erf, 2.5), (special.erfc, 1.0)):
        want = f(x.astype(np.float64))
        normal = np.abs(want) > 2 * np.finfo(np.float32).tiny
        error = np.abs(f(x).astype(np.float64) - want) / np.spacing(np.abs(want).astype(np.float32))
        assert error[normal].max() < limit
        assert error[normal].mean() < 0.5


@pytest.mark.parametrize("name", ["erf", "erfc", "lgamma", "i1"])
def test_shapes_and_layouts_do_not_matter(name, rng):
    f = getattr(special, name)
    x = rng.uniform(0.1, 3.0, (6, 4))
    before = x.copy()
    want = np.array([[float(f(v)) for v in row] for row in x])
    close(f(x), want)
    close(f(x.T), want.T)
    close(f(np.asfortranarray(x)[::2, ::-1]), want[::2, ::-1])
    assert np.array_equal(before, x)
    assert (0, 3) == f(np.empty((0, 3))).shape
    assert () == f(np.array(0.5)).shape


def test_two_arguments_broadcast_and_python_numbers_are_weak():
    a, x = np.array([[0.5], [2.0]], np.float32), np.array([0.5, 1.0, 4.0], np.float32)
    got = special.igamma(a, x)
    assert ((2, 3), np.float32) == (got.shape, got.dtype)
    assert float(special.igamma(2.0, 4.0)) == pytest.approx(got[1, 2])
    assert np.float32 == special.igamma(2.0, x).dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_array_of_several_blocks_equals_its_parts(dtype, rng):
    x = rng.standard_normal(2 * special.BLOCK + 7).astype(dtype)
    for f in (special.erf, special.erfc, special.digamma):
        want = np.concatenate([f(part) for part in np.array_split(x, 9)])
        close(f(x), want, rtol=4 * np.finfo(dtype).eps)
