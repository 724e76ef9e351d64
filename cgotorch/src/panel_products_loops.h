// Products of matrices in panels, for each kind of processor; see each_cpu.h. No pragma once.

#include <algorithm>
#include <cstring>

#include "panel_products.h"
#include "vectors.h"

namespace imori {
namespace panels {
namespace IMORI_CPU {
namespace {

constexpr int64_t kAcross = kPanel / kVector;

// Units in one turn of a product's innermost loop. Where vectors are short, counting is a seventh of a product's
// instructions, and shows when another virtual machine has the other half of the core.
constexpr int kUnrolled = kVector == 16 ? 1 : 8;

// The sums of some rows of a product: enough to keep the processor's multipliers busy, while each number that is loaded
// is used at least twice, and no more than there are registers for.
template <int64_t rows>
struct Block {
  Vector v[rows][kAcross];
};

// What a product takes of a matrix at once: one number of a row, or two, and as many of each column of a vector.
template <typename T>
struct Unit;

template <>
struct Unit<float> {
  static constexpr int64_t kDeep = 1;
  using Columns = Vector;

  IMORI_FOR_CPU_INLINED static Columns columns(const float *p) { return get(p); }
  IMORI_FOR_CPU_INLINED static Columns everywhere(const float *p) { return *p - Vector{}; }
  IMORI_FOR_CPU_INLINED static void add(Vector &sum, const Columns &a, const Columns &b) { sum += a * b; }
};

#if IMORI_HALVES

template <>
struct Unit<Half> {
  static constexpr int64_t kDeep = 2;
  using Columns = Bits;

  IMORI_FOR_CPU_INLINED static Columns columns(const Half *p) {
    typedef uint32_t Anywhere __attribute__((vector_size(sizeof(Bits)), aligned(sizeof(Half)), may_alias));
    return *reinterpret_cast<const Anywhere *>(p);
  }
  IMORI_FOR_CPU_INLINED static Columns everywhere(const Half *p) {
    uint32_t two;
    std::memcpy(&two, p, sizeof two);
    return two - Bits{};
  }
  IMORI_FOR_CPU_INLINED static void add(Vector &sum, const Columns &a, const Columns &b) {
#ifdef __x86_64__
    Vector more = sum;  // what the assembler is given by itself may stay in a register
    asm("vdpbf16ps %2, %1, %0" : "+v"(more) : "v"(b), "v"(a));
    sum = more;
#else
    const Bits high = ~Bits{} << 16;
    sum += reinterpret_cast<Vector>(a << 16) * reinterpret_cast<Vector>(b << 16);
    sum += reinterpret_cast<Vector>(a & high) * reinterpret_cast<Vector>(b & high);
#endif
  }
};

#endif  // IMORI_HALVES

#if IMORI_VECTOR == 16

// Adds the products of a unit of some rows, which are a_step apart, with one of 32 columns.
template <typename T, int64_t rows>
IMORI_FOR_CPU_INLINED void add(Block<rows> &sum, const T *a, int64_t a_step, const T *b) {
  using U = Unit<T>;
  const auto b0 = U::columns(b), b1 = U::columns(b + U::kDeep * kVector);
#pragma GCC unroll 8
  for (int64_t r = 0; r < rows; r++) {
    const auto x = U::everywhere(a + r * a_step);
    U::add(sum.v[r][0], x, b0);
    U::add(sum.v[r][1], x, b1);
  }
}

#else

// The same in 16 registers: 12 for the sums of 3 rows, 3 for a number of each, and 1 for 8 columns at a time.
template <typename T, int64_t rows>
IMORI_FOR_CPU_INLINED void add(Block<rows> &sum, const T *a, int64_t a_step, const T *b) {
  using U = Unit<T>;
  typename U::Columns x[rows];
#pragma GCC unroll 8
  for (int64_t r = 0; r < rows; r++) x[r] = U::everywhere(a + r * a_step);
#pragma GCC unroll 8
  for (int64_t i = 0; i < kAcross; i++) {
    const auto columns = U::columns(b + U::kDeep * i * kVector);
#pragma GCC unroll 8
    for (int64_t r = 0; r < rows; r++) U::add(sum.v[r][i], x[r], columns);
  }
}

#endif

template <int64_t rows>
IMORI_FOR_CPU_INLINED void fetch(Block<rows> &sum, const float *c, int64_t row) {
#pragma GCC unroll 8
  for (int64_t r = 0; r < rows; r++) {
#pragma GCC unroll 8
    for (int64_t i = 0; i < kAcross; i++) sum.v[r][i] = get(c + r * row + i * kVector);
  }
}

template <int64_t rows>
IMORI_FOR_CPU_INLINED void leave(const Block<rows> &sum, float *c, int64_t row) {
#pragma GCC unroll 8
  for (int64_t r = 0; r < rows; r++) {
#pragma GCC unroll 8
    for (int64_t i = 0; i < kAcross; i++) put(c + r * row + i * kVector, sum.v[r][i]);
  }
}

// Calls work.rows<n>(first one) for all of some rows, a multiple of kRows, n at a time.
template <typename Work>
IMORI_FOR_CPU_INLINED void each_rows(int64_t first, int64_t last, const Work &work) {
#if IMORI_VECTOR == 16
  for (int64_t i = first; i < last; i += kRows) work.template rows<kRows>(i);
#else
  int64_t i = first;
  for (; last - i >= 5; i += 3) work.template rows<3>(i);  // there are 2, 3 or 4 left
  if (last - i == 3) return work.template rows<3>(i);
  for (; i < last; i += 2) work.template rows<2>(i);
#endif
}

// A unit's rows a few panels later: the processor does not foresee steps from panel to panel.
template <int64_t rows, typename T>
IMORI_FOR_CPU_INLINED void fetch_later(const T *p, const Operand<T> &a) {
  constexpr int64_t kAhead = 4;
#pragma GCC unroll 8
  for (int64_t r = 0; r < rows; r++) __builtin_prefetch(p + kAhead * a.panel + r * a.row);
}

// Rows of 32 columns of c = a b, or c += a b.
template <typename T>
struct Multiply {
  const Operand<T> &a;
  const T *b;
  const Result &c;
  int64_t from, inner, column;
  bool more;

  template <int64_t n>
  IMORI_FOR_CPU_INLINED void rows(int64_t i) const {
    constexpr int64_t kDeep = Unit<T>::kDeep;
    Block<n> sum{};
    if (more) fetch(sum, c.at(i, column), c.row);
    const T *of_b = b;
    for (int64_t panel = from; panel < inner; panel += kPanel) {
      const T *of_a = a.at(i, panel);
      const int64_t deep = std::min(kPanel, inner - panel);
      if (a.far) fetch_later<n>(of_a, a);
#pragma GCC unroll kUnrolled
      for (int64_t k = 0; k < deep; k += kDeep) add(sum, of_a + k, a.row, of_b + k * kPanel);
      of_b += deep * kPanel;
    }
    leave(sum, c.at(i, column), c.row);
  }
};

// Rows [first, last) of c = a b, or c += a b, with inner columns [from, inner), where from is a multiple of 32.
template <typename T>
IMORI_FOR_CPU void multiply_rows(const Operand<T> &a, const Panels<T> &b, const Result &c, int64_t first, int64_t last,
                                 int64_t from, int64_t inner, int64_t columns, bool more) {
  for (int64_t j = 0; j < columns; j += kPanel) {
    each_rows(first, last, Multiply<T>{a, b.at(from, j), c, from, inner, j, more});
  }
}

// Rows of 32 columns of c = a^T b, or c += a^T b, by some rows of a panel of each.
template <typename T>
struct MultiplyTurned {
  const T *a, *b;
  const Result &c;
  int64_t deep, column;
  bool more;

  template <int64_t n>
  IMORI_FOR_CPU_INLINED void rows(int64_t i) const {
    constexpr int64_t kDeep = Unit<T>::kDeep;
    Block<n> sum{};
    if (more) fetch(sum, c.at(i, column), c.row);
    const T *of_a = a + i % kPanel * kDeep, *of_b = b;
#pragma GCC unroll kUnrolled
    for (int64_t t = 0; t < deep; t += kDeep) add(sum, of_a + t * kPanel, kDeep, of_b + t * kPanel);
    leave(sum, c.at(i, column), c.row);
  }
};

template <typename T>
IMORI_FOR_CPU void multiply_turned(const Panels<T> &a, const Panels<T> &b, const Result &c, int64_t rows,
                                   int64_t across, int64_t columns, bool more) {
  constexpr int64_t kDeep = Unit<T>::kDeep;
  constexpr int64_t kChunk = 256 * kDeep;  // rows of b that stay in the first cache
  for (int64_t first = 0; first < rows; first += kChunk) {
    const int64_t last = std::min(first + kChunk, rows);
    for (int64_t j = 0; j < columns; j += kPanel) {
      for (int64_t i = 0; i < across; i += kPanel) {
        each_rows(i, std::min(i + kPanel, across),
                  MultiplyTurned<T>{a.at(first, i), b.at(first, j), c, last - first, j, more || first > 0});
      }
    }
  }
}

IMORI_FOR_CPU void put_rows(const float *from, int64_t, float *to, bool past) {
  for (int64_t i = 0; i < kPanel; i += kVector) put_bits(to + i, reinterpret_cast<Bits>(get(from + i)), past);
}

template <typename T>
IMORI_FOR_CPU void finish(const float *from, T *to, int64_t n, const float *add, float slope) {
  for (int64_t i = 0; i < n; i += kVector) {
    Vector v = get(from + i);
    if (add != nullptr) v += get(add + i);
    if (slope != 1) v = leaky(v, v, slope);
    put(to + i, v);
  }
}

#if IMORI_HALVES

IMORI_FOR_CPU void put_rows(const float *from, int64_t row, Half *to, bool past) {
  for (int64_t i = 0; i < kPanel; i += kVector) {
    const Vector pairs[] = {get(from + i), get(from + row + i)};
    Half numbers[kPanel];
    put_together(numbers, pairs, 1);
    Bits line;
    std::memcpy(&line, numbers, sizeof line);
    put_bits(to + 2 * i, line, past);
  }
}
IMORI_FOR_CPU void put_rows(const Half *from, int64_t row, Half *to, bool past) {
  for (int64_t i = 0; i < kPanel; i += kVector) {
    put_bits(to + 2 * i, widened(from + i) | widened(from + row + i) << 16, past);
  }
}

IMORI_FOR_CPU void spread(const float *from, int64_t n, Half *to, int64_t panel, bool past) {
  for (int64_t i = 0; i < n; i += kPanel, from += kPanel, to += panel) {
#ifdef __x86_64__
    constexpr int64_t kAhead = 8;  // panels: the processor does not foresee such steps
    if (!past) __builtin_prefetch(to + kAhead * panel, 1);
    put_bits(to, reinterpret_cast<Bits>(halves_of(get(from), get(from + kVector))), past);
#else
    static_cast<void>(past);
    for (int64_t k = 0; k < kPanel; k += kVector) put(to + k, get(from + k));
#endif
  }
}

IMORI_FOR_CPU void pair(const Panels<Half> &m, int64_t first, int64_t last, int64_t columns) {
  for (int64_t j = 0; j < columns; j += kPanel) {
    Half *upper = m.at(first, j);
    for (int64_t i = first; i < last; i += 2, upper += 2 * kPanel) {
      Half *lower = upper + kPanel;
      Bits paired[2];
      for (int64_t k = 0; k < 2; k++) {
        paired[k] = widened(upper + k * kVector) | widened(lower + k * kVector) << 16;
      }
      std::memcpy(static_cast<void *>(upper), paired, sizeof paired);
    }
  }
}

#endif  // IMORI_HALVES

}  // namespace
}  // namespace IMORI_CPU
}  // namespace panels
}  // namespace imori
