// Elementary functions on vectors: polynomials, with error bounds in units in the last place (ulp).
// SPDX-License-Identifier: Apache-2.0
//
// Every function takes Vec<float>, Vec<double>, float or double. Bounds are the largest errors seen
// in dense sweeps, with and without fused multiply-add. Infinities, NaN, signed zeros and denormals
// are right. C's functions are called as compiler builtins: <math.h> would bring in the C++
// library.
#pragma once
#include "kernels/simd.h"

namespace lepton::LEPTON_ISA {

/// Lane type of a vector, and the unsigned integers with its layout; a scalar is a vector of one
/// lane.
template <class V>
struct VecTraits {
  using Lane = V;
};
template <>
struct VecTraits<float> {
  using Lane = float;
  using Bits = uint32_t;
};
template <>
struct VecTraits<double> {
  using Lane = double;
  using Bits = uint64_t;
};
template <>
struct VecTraits<Vec<float>> {
  using Lane = float;
  using Bits = Vec<uint32_t>;
};
template <>
struct VecTraits<Vec<double>> {
  using Lane = double;
  using Bits = Vec<uint64_t>;
};
template <class V>
using LaneOf = typename VecTraits<V>::Lane;
template <class V>
using BitsOf = typename VecTraits<V>::Bits;
template <class A, class B>
constexpr bool kSame = false;
template <class A>
constexpr bool kSame<A, A> = true;
template <class V>
constexpr bool kIsFloat = kSame<LaneOf<V>, float>;
template <class V>
constexpr bool kIsFloating = kIsFloat<V> || kSame<LaneOf<V>, double>;
template <class V>
constexpr bool kIsScalar = kSame<V, LaneOf<V>>;

/// c in every lane.
template <class V>
LEPTON_INLINE V constant(double c) {
  if constexpr (kIsScalar<V>)
    return static_cast<V>(c);
  else
    return splat(static_cast<LaneOf<V>>(c));
}
/// The integer i, as wide as a lane of V, in every lane.
template <class V>
LEPTON_INLINE BitsOf<V> integer(uint64_t i) {
  if constexpr (kIsScalar<V>)
    return static_cast<BitsOf<V>>(i);
  else if constexpr (kIsFloat<V>)
    return splat(static_cast<uint32_t>(i));
  else
    return splat(i);
}
/// mask ? a : b, lane by lane.
template <class M, class V>
LEPTON_INLINE V select(M mask, V a, V b) {
  return mask ? a : b;
}
template <class V>
LEPTON_INLINE BitsOf<V> bits(V x) {
  return __builtin_bit_cast(BitsOf<V>, x);
}
template <class V>
LEPTON_INLINE V from_bits(BitsOf<V> x) {
  return __builtin_bit_cast(V, x);
}
/// Number of explicit mantissa bits, exponent bias and sign bit.
template <class V>
constexpr int kMantissa = kIsFloat<V> ? 23 : 52;
template <class V>
constexpr int kBias = kIsFloat<V> ? 127 : 1023;
template <class V>
LEPTON_INLINE BitsOf<V> sign_bit() {
  return bits(constant<V>(-0.0));
}
template <class V>
LEPTON_INLINE V abs(V x) {
  return from_bits<V>(bits(x) & ~sign_bit<V>());
}
/// The magnitude of x with the sign of s.
template <class V>
LEPTON_INLINE V copysign(V x, V s) {
  return from_bits<V>((bits(x) & ~sign_bit<V>()) | (bits(s) & sign_bit<V>()));
}
template <class V>
LEPTON_INLINE V infinity() {
  return constant<V>(__builtin_inf());
}
template <class V>
LEPTON_INLINE V not_a_number() {
  return constant<V>(__builtin_nan(""));
}
/// True if any lane of a comparison's result is.
template <class M>
LEPTON_INLINE bool any_lane(M mask) {
  if constexpr (sizeof(M) < sizeof(uint64_t)) {
    return mask;
  } else {
    uint64_t word[sizeof(M) / sizeof(uint64_t)], any = 0;
    memcpy(word, &mask, sizeof mask);
    for (uint64_t w : word) any |= w;
    return any != 0;
  }
}

/// c0 + x (c1 + x (c2 + ...)).
template <class V>
LEPTON_INLINE V polynomial(V, double c0) {
  return constant<V>(c0);
}
template <class V, class... C>
LEPTON_INLINE V polynomial(V x, double c0, C... c) {
  return polynomial(x, c...) * x + constant<V>(c0);
}

/// Every second coefficient, from the first on, as a polynomial.
template <class V>
LEPTON_INLINE V every_second(V, double c0, double = 0) {
  return constant<V>(c0);
}
template <class V, class... C>
LEPTON_INLINE V every_second(V z, double c0, double, C... c) {
  return every_second(z, c...) * z + constant<V>(c0);
}
/// The same as polynomial from even and odd powers apart: half as many steps wait for one another.
template <class V, class... C>
LEPTON_INLINE V split_polynomial(V x, double c0, C... c) {
  const V z = x * x;
  return every_second(z, c...) * x + every_second(z, c0, c...);
}

// Adding 1.5 * 2^mantissa rounds to an integer and leaves it, as a two's complement number, in the
// low bits.
template <class V>
LEPTON_INLINE V integer_shift() {
  return constant<V>(kIsFloat<V> ? 0x1.8p23 : 0x1.8p52);
}
/// 2^k for the integer k in the low bits of k_bits, where that is a normal number.
template <class V>
LEPTON_INLINE V power_of_two(BitsOf<V> k_bits) {
  return from_bits<V>((k_bits + integer<V>(kBias<V>)) << kMantissa<V>);
}

/// x = k ln 2 + r with |r| <= ln 2 / 2; k_bits holds k in its low bits.
template <class V>
LEPTON_INLINE V reduce_exp(V x, BitsOf<V>& k_bits) {
  const V shifted = x * constant<V>(1.44269504088896340736) + integer_shift<V>();
  const V k = shifted - integer_shift<V>();
  k_bits = bits(shifted);
  const V high = constant<V>(kIsFloat<V> ? 0x1.63p-1 : 0x1.62e42feep-1);  // k * high is exact
  const V low = constant<V>(kIsFloat<V> ? -0x1.bd0106p-13 : 0x1.a39ef35793c76p-33);
  return x - k * high - k * low;
}
/// e^r - 1 for |r| <= ln 2 / 2.
template <class V>
LEPTON_INLINE V expm1_reduced(V r) {
  V p;
  if constexpr (kIsFloat<V>)
    p = split_polynomial(r, 0.5, 1.66666668160535861e-1, 4.16663584980854592e-2,
                         8.33327308876285011e-3, 1.39408302861697767e-3, 1.99142231603451009e-4);
  else
    p = split_polynomial(r, 0.5, 1.66666666666666763e-1, 4.16666666666667005e-2,
                         8.33333333332174307e-3, 1.38888888888670849e-3, 1.98412698859737816e-4,
                         2.48015873602897951e-5, 2.7557244255893666e-6, 2.75572428618910839e-7,
                         2.51090522142358147e-8, 2.09244395912371418e-9);
  return p * (r * r) + r;
}

/// e^x; 1 ulp.
template <class V>
LEPTON_INLINE V exp(V x) {
  const V high = constant<V>(kIsFloat<V> ? 89 : 710), low = constant<V>(kIsFloat<V> ? -104 : -746);
  x = select(x > high, high, select(x < low, low, x));
  BitsOf<V> k;
  const V p = expm1_reduced(reduce_exp(x, k)) + constant<V>(1);
  // 2^k may lie outside the normal numbers where e^x does not: scale in two steps.
  const auto negative = x < constant<V>(0);
  const V step = select(negative, constant<V>(0x1p-64), constant<V>(0x1p64));
  const BitsOf<V> rest = select(negative, integer<V>(64), integer<V>(-64));
  return p * power_of_two<V>(k + rest) * step;
}

/// e^x for x <= 0, or above by rounding alone; 0 where that is below the normal numbers; 1 ulp.
template <class V>
LEPTON_INLINE V exp_of_negative(V x) {
  const V low = constant<V>(kIsFloat<V> ? -87.3 : -708.3);
  BitsOf<V> k;
  const V q = expm1_reduced(reduce_exp(x, k)), power = power_of_two<V>(k);
  return select(x < low, constant<V>(0), power * q + power);  // NaN stays, whatever its bits
}

/// e^x - 1; 2 ulp.
template <class V>
LEPTON_INLINE V expm1(V x) {
  const V high = constant<V>(kIsFloat<V> ? 89 : 710), low = constant<V>(-50);
  const V clamped = select(x > high, high, select(x < low, low, x));
  BitsOf<V> k;
  const V q = expm1_reduced(reduce_exp(clamped, k));
  const V half_power = power_of_two<V>(k - integer<V>(1));  // 2^k itself would overflow too early
  const V y = (half_power * q + (half_power - constant<V>(0.5))) * constant<V>(2);
  return select(abs(x) < constant<V>(kIsFloat<V> ? 0x1p-25 : 0x1p-54), x, y);
}

/// Hyperbolic tangent; 2.5 ulp.
template <class V>
LEPTON_INLINE V tanh(V x) {
  const V a = constant<V>(-2) * abs(x), low = constant<V>(-40);  // tanh is 1 to either precision
  BitsOf<V> k;
  const V q = expm1_reduced(reduce_exp(select(low > a, low, a), k));             // NaN stays
  const V power = power_of_two<V>(k), t = power * q + (power - constant<V>(1));  // e^a - 1
  return copysign(t / (t + constant<V>(2)), x);
}

/// 1 / (1 + e^-x) and 1 / (1 + e^x); 3 ulp, and 0 where that is no normal number.
template <class V>
LEPTON_INLINE void sigmoid_both(V x, V& y, V& rest) {
  const V e = exp_of_negative(-abs(x)), one = constant<V>(1);
  const V large = one / (one + e), small = e * large;
  const auto negative = x < constant<V>(0);
  y = select(negative, small, large);
  rest = select(negative, large, small);
}
template <class V>
LEPTON_INLINE V sigmoid(V x) {
  V y, rest;
  sigmoid_both(x, y, rest);
  return y;
}

/// log(u + c) for positive finite u and c far below u's precision.
template <class V>
LEPTON_INLINE V log_with_correction(V u, V c) {
  const auto tiny = u < constant<V>(kIsFloat<V> ? 0x1p-126 : 0x1p-1022);
  u = select(tiny, u * constant<V>(0x1p54), u);
  // u = 2^k m with sqrt(1/2) <= m < sqrt(2); biased by 2^e to keep the exponent positive.
  const BitsOf<V> root_half = bits(constant<V>(0.70710678118654752));
  const BitsOf<V> bias = bits(constant<V>(1));
  const BitsOf<V> shifted = bits(u) - root_half + bias;
  const BitsOf<V> mantissa = shifted & integer<V>((uint64_t{1} << kMantissa<V>)-1);
  const V m = from_bits<V>(mantissa + root_half);
  const V k_biased =
      from_bits<V>((shifted >> kMantissa<V>)+bits(integer_shift<V>())) - integer_shift<V>();
  const V k = k_biased - select(tiny, constant<V>(kBias<V> + 54), constant<V>(kBias<V>));

  const V f = m - constant<V>(1), half_square = constant<V>(0.5) * f * f;
  const V s = f / (constant<V>(2) + f), z = s * s;
  V p;
  if constexpr (kIsFloat<V>)
    p = polynomial(z, 6.66666658002104124e-1, 4.00003107746632335e-1, 2.85384477435371665e-1,
                   2.35659740790198273e-1);
  else
    p = polynomial(z, 6.66666666666670129e-1, 3.99999999995886534e-1, 2.85714287103515644e-1,
                   2.22222013605609465e-1, 1.81834397990073083e-1, 1.53168110067742807e-1,
                   1.47719231551330629e-1);
  const V high = constant<V>(kIsFloat<V> ? 0x1.62e3p-1 : 0x1.62e42feep-1);  // k * high is exact
  const V low = constant<V>(kIsFloat<V> ? 0x1.2fefa2p-17 : 0x1.a39ef35793c76p-33);
  return s * (half_square + z * p) + (k * low + c) - half_square + f + k * high;
}

/// Natural logarithm; 1 ulp.
template <class V>
LEPTON_INLINE V log(V x) {
  const V zero = constant<V>(0), y = log_with_correction(x, zero);
  const V special = select(x == zero, -infinity<V>(), select(x < zero, not_a_number<V>(), x));
  return select((x > zero) & (x < infinity<V>()), y, special);
}

/// log(1 + x); 1 ulp.
template <class V>
LEPTON_INLINE V log1p(V x) {
  const V one = constant<V>(1), u = one + x;
  const V lost = select(x > one, one - (u - x), x - (u - one));  // of x, when it was added to 1
  const V y = log_with_correction(u, lost / u);
  const V special = select(x == -one, -infinity<V>(), select(x < -one, not_a_number<V>(), x));
  return select((x > -one) & (x < infinity<V>()) & (x != constant<V>(0)), y, special);
}

/// Sine and cosine of r for |r| <= pi / 4.
template <class V>
LEPTON_INLINE void sincos_reduced(V r, V& sine, V& cosine) {
  const V z = r * r;
  V s, c;
  if constexpr (kIsFloat<V>) {
    s = polynomial(z, -1.66666548288231264e-1, 8.33215908807647615e-3, -1.95137758197179953e-4);
    c = polynomial(z, 4.16666511437835041e-2, -1.38875285780622143e-3, 2.44529963093265569e-5);
  } else {
    s = polynomial(z, -1.66666666666666356e-1, 8.33333333332275878e-3, -1.98412698298217726e-4,
                   2.75573136340150806e-6, -2.50507417222559335e-8, 1.58955119399411264e-10);
    c = polynomial(z, 4.16666666666666553e-2, -1.38888888888827137e-3, 2.48015872942625383e-5,
                   -2.75573155881129988e-7, 2.08758741756192123e-9, -1.13666898620413053e-11);
  }
  sine = s * (z * r) + r;
  cosine = z * (z * c - constant<V>(0.5)) + constant<V>(1);
}

/// sin(r + quadrant pi / 2) for the integer in the two low bits of quadrant.
template <class V>
LEPTON_INLINE V sin_quadrant(V sine, V cosine, BitsOf<V> quadrant) {
  const V y = select((quadrant & integer<V>(1)) != integer<V>(0), cosine, sine);
  return from_bits<V>(bits(y) ^ ((quadrant & integer<V>(2)) << (kIsFloat<V> ? 30 : 62)));
}

/// f(lane) for every lane: for C's functions.
template <class V, class F>
LEPTON_INLINE V per_lane(V x, F f) {
  if constexpr (kIsScalar<V>) {
    return f(x);
  } else {
    constexpr int64_t kCount = kLanes<LaneOf<V>>;
    LaneOf<V> lane[kCount];
    store<LaneOf<V>>(x, lane);
    for (int64_t i = 0; i < kCount; ++i) lane[i] = f(lane[i]);
    return load(lane);
  }
}

/// Overloads libm_name(float) and libm_name(double) of one of C's functions.
#define LEPTON_LIBM(name)                                                     \
  LEPTON_INLINE float libm_##name(float x) { return __builtin_##name##f(x); } \
  LEPTON_INLINE double libm_##name(double x) { return __builtin_##name(x); }
#define LEPTON_LIBM2(name)                                                                \
  LEPTON_INLINE float libm_##name(float a, float b) { return __builtin_##name##f(a, b); } \
  LEPTON_INLINE double libm_##name(double a, double b) { return __builtin_##name(a, b); }
LEPTON_LIBM(sin)
LEPTON_LIBM(cos)
LEPTON_LIBM(erf)
LEPTON_LIBM(erfc)

/// Sine (shift 0) or cosine (shift 1); 2.5 ulp.
template <class V>
LEPTON_INLINE V sin_shifted(V x, unsigned shift) {
  const V shifted = x * constant<V>(0.63661977236758134) + integer_shift<V>();
  const V k = shifted - integer_shift<V>();
  // pi / 2 in parts whose products with k are exact.
  V r;
  if constexpr (kIsFloat<V>)
    r = x - k * constant<V>(0x1.92p0) - k * constant<V>(0x1.fb4p-12) -
        k * constant<V>(0x1.444p-24) - k * constant<V>(0x1.68c234p-39);
  else
    r = x - k * constant<V>(0x1.921fb544p0) - k * constant<V>(0x1.0b4611a6p-34) -
        k * constant<V>(0x1.3198a2e037073p-69);
  V sine, cosine;
  sincos_reduced(r, sine, cosine);
  V y = sin_quadrant(sine, cosine, bits(shifted) + integer<V>(shift));
  const V limit = constant<V>(kIsFloat<V> ? 12000 : 1e6);
  if (any_lane(abs(x) > limit)) [[unlikely]] {
    const V exact = per_lane(
        x, [=](LaneOf<V> a)
               __attribute__((always_inline)) { return shift ? libm_cos(a) : libm_sin(a); });
    y = select(abs(x) > limit, exact, y);
  }
  return y;
}
template <class V>
LEPTON_INLINE V sin(V x) {
  return select(x == constant<V>(0), x, sin_shifted(x, 0));
}
template <class V>
LEPTON_INLINE V cos(V x) {
  return sin_shifted(x, 1);
}
/// sin(2 pi u) and cos(2 pi u) for 0 <= u < 1.
template <class V>
LEPTON_INLINE void sincos_turns(V u, V& sine, V& cosine) {
  const V turns = constant<V>(4) * u, shifted = turns + integer_shift<V>();
  V s, c;
  sincos_reduced((turns - (shifted - integer_shift<V>())) * constant<V>(1.57079632679489662), s, c);
  sine = sin_quadrant(s, c, bits(shifted));
  cosine = sin_quadrant(s, c, bits(shifted) + integer<V>(1));
}

/// Error function; float 1.5 ulp, double by C's.
template <class V>
LEPTON_INLINE V erf(V x) {
  if constexpr (kIsFloat<V>) {
    const V a = abs(x), z = x * x, limit = constant<V>(4);
    const V near =
        x + x * polynomial(z, 1.28379165914654321e-1, -3.76126271404405456e-1,
                           1.12836002118158885e-1, -2.68544455815080762e-2, 5.18953646193926138e-3,
                           -8.0208456984069044e-4, 7.88911915748783879e-5);
    // The logarithm of 1 - erf(a), from 1 to where float cannot tell erf from 1.
    const V log_rest =
        polynomial(select(a > limit, limit, a), 1.88029228580378723e-4, -1.1295783753910566,
                   -6.33219984415051742e-1, -1.08418484340320918e-1, 2.52082010429845749e-2,
                   -4.20454226478507487e-3, 4.41332621115870007e-4, -2.16865481726353371e-5);
    const V far = copysign(constant<V>(1) - exp(log_rest), x);
    return select(a < constant<V>(1), near, far);
  } else {
    return per_lane(x, [](double a) __attribute__((always_inline)) { return libm_erf(a); });
  }
}

/// The normal distribution function of -a for a >= 0, double by C's. Float: within 7e-8, and within
/// 2^-21 of its value for each time that it halves, as far as a = 6.5: from a polynomial for its
/// logarithm. 0 from 10.5 on.
template <class V>
LEPTON_INLINE V normal_tail(V a) {
  if constexpr (kIsFloat<V>) {
    const auto far = a > constant<V>(10.5);
    a = select(far, constant<V>(10.5), a);
    const V binary_log =
        split_polynomial(a, -0.999999981, -1.15110527, -0.459213022, -0.0524593681, 0.00696082641,
                         4.15332748e-06, -0.000292765074, 8.52118549e-05, -1.38941926e-05,
                         1.39709065e-06, -8.0788451e-08, 2.05891147e-09);
    const V shifted = binary_log + integer_shift<V>();
    const V rest = binary_log - (shifted - integer_shift<V>());
    const V p = expm1_reduced(rest * constant<V>(0.693147180559945309)) + constant<V>(1);
    return select(far, constant<V>(0), from_bits<V>(bits(p) + (bits(shifted) << kMantissa<V>)));
  } else {
    return constant<V>(0.5) * per_lane(
                                  a * constant<V>(0.707106781186547524),
                                  [](double v)
                                      __attribute__((always_inline)) { return libm_erfc(v); });
  }
}

}  // namespace lepton::LEPTON_ISA
