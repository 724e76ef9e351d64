#include "panel_products.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "amx.h"

namespace imori {
namespace panels {
namespace {

// Two vectors of each of 8 rows of a product: enough to keep the processor's multipliers busy, while each number that
// is loaded is used at least twice.
struct Block {
  Vector v[kRows][2];
};

// What a product takes of a matrix at once: one number of a row, or two, and as many of 16 columns.
template <typename T>
struct Unit;

template <>
struct Unit<float> {
  static constexpr int64_t kDeep = 1;
  using Columns = Vector;

  IMORI_AVX512_INLINED static Columns columns(const float *p) { return get(p); }
  IMORI_AVX512_INLINED static Columns everywhere(const float *p) { return *p - Vector{}; }
  IMORI_AVX512_INLINED static void add(Vector &sum, const Columns &a, const Columns &b) { sum += a * b; }
};

template <>
struct Unit<Half> {
  static constexpr int64_t kDeep = 2;
  using Columns = Bits;

  IMORI_AVX512_INLINED static Columns columns(const Half *p) {
    typedef uint32_t Anywhere __attribute__((vector_size(sizeof(Bits)), aligned(sizeof(Half)), may_alias));
    return *reinterpret_cast<const Anywhere *>(p);
  }
  IMORI_AVX512_INLINED static Columns everywhere(const Half *p) {
    uint32_t two;
    std::memcpy(&two, p, sizeof two);
    return two - Bits{};
  }
  IMORI_AVX512_INLINED static void add(Vector &sum, const Columns &a, const Columns &b) {
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

// Adds the products of a unit of 8 rows, which are a_step apart, with one of 32 columns.
template <typename T>
IMORI_AVX512_INLINED void add(Block &sum, const T *a, int64_t a_step, const T *b) {
  using U = Unit<T>;
  const auto b0 = U::columns(b), b1 = U::columns(b + U::kDeep * kVector);
#pragma GCC unroll 8
  for (int64_t r = 0; r < kRows; r++) {
    const auto x = U::everywhere(a + r * a_step);
    U::add(sum.v[r][0], x, b0);
    U::add(sum.v[r][1], x, b1);
  }
}

IMORI_AVX512_INLINED void fetch(Block &sum, const float *c, int64_t row) {
#pragma GCC unroll 8
  for (int64_t r = 0; r < kRows; r++) {
    sum.v[r][0] = get(c + r * row);
    sum.v[r][1] = get(c + r * row + kVector);
  }
}

IMORI_AVX512_INLINED void leave(const Block &sum, float *c, int64_t row) {
#pragma GCC unroll 8
  for (int64_t r = 0; r < kRows; r++) {
    put(c + r * row, sum.v[r][0]);
    put(c + r * row + kVector, sum.v[r][1]);
  }
}

// Rows [first, rows) of c = a b, or c += a b, with inner columns [from, inner), where from is a multiple of 32.
template <typename T>
IMORI_AVX512 void multiply_vectors(const Operand<T> &a, const Panels<T> &b, const Result &c, int64_t first,
                                   int64_t rows, int64_t from, int64_t inner, int64_t columns, bool more) {
  constexpr int64_t kDeep = Unit<T>::kDeep;
  for (int64_t j = 0; j < columns; j += kPanel) {
    for (int64_t i = first; i < rows; i += kRows) {
      Block sum{};
      if (more) fetch(sum, c.at(i, j), c.row);
      const T *of_b = b.at(from, j);
      for (int64_t panel = from; panel < inner; panel += kPanel) {
        const T *of_a = a.at(i, panel);
        const int64_t deep = std::min(kPanel, inner - panel);
        for (int64_t k = 0; k < deep; k += kDeep, of_b += kDeep * kPanel) add(sum, of_a + k, a.row, of_b);
      }
      leave(sum, c.at(i, j), c.row);
    }
  }
}

// By AMX, as far as there are blocks; returns how many rows and inner columns these are.
struct Done {
  int64_t rows, inner;
};
Done multiply_blocks(const Operand<Half> &a, const Panels<Half> &b, const Result &c, int64_t rows, int64_t inner,
                     int64_t columns, bool more) {
  const Done done{rows / 16 * 16, inner / amx::kSide * amx::kSide};
  if (!amx::available() || done.rows == 0 || done.inner == 0) return {0, 0};
  const amx::Tiles tiles;
  std::vector<amx::Factors> factors;
  for (int64_t k = 0; k < done.inner; k += amx::kSide) factors.push_back({a.at(0, k), b.at(k, 0)});
  for (int64_t j = 0; j < columns; j += amx::kSide) {
    for (int64_t i = 0; i < done.rows; i += amx::kSide) {
      tiles.multiply(factors, {i * a.row, b.at(0, j) - b.data},
                     {c.at(i, j), c.row, std::min(amx::kSide, done.rows - i), more}, a.row);
    }
  }
  return done;
}
Done multiply_blocks(const Operand<float> &, const Panels<float> &, const Result &, int64_t, int64_t, int64_t, bool) {
  return {0, 0};
}

}  // namespace

template <typename T>
IMORI_AVX512 void multiply(const Operand<T> &a, const Panels<T> &b, const Result &c, int64_t rows, int64_t inner,
                           int64_t columns, bool more) {
  const Done done = multiply_blocks(a, b, c, rows, inner, columns, more);
  if (done.inner > 0 && done.inner < inner) {
    multiply_vectors(a, b, c, 0, done.rows, done.inner, inner, columns, true);
  }
  if (done.rows < rows) multiply_vectors(a, b, c, done.rows, rows, 0, inner, columns, more);
}

template <typename T>
IMORI_AVX512 void multiply_turned(const Panels<T> &a, const Panels<T> &b, const Result &c, int64_t rows, int64_t across,
                                  int64_t columns, bool more) {
  constexpr int64_t kDeep = Unit<T>::kDeep;
  constexpr int64_t kChunk = 256 * kDeep;  // rows of b that stay in the first cache
  for (int64_t first = 0; first < rows; first += kChunk) {
    const int64_t last = std::min(first + kChunk, rows);
    for (int64_t j = 0; j < columns; j += kPanel) {
      for (int64_t i = 0; i < across; i += kRows) {
        Block sum{};
        if (more || first > 0) fetch(sum, c.at(i, j), c.row);
        const T *of_a = a.at(first, i / kPanel * kPanel) + i % kPanel * kDeep, *of_b = b.at(first, j);
        for (int64_t t = first; t < last; t += kDeep, of_a += kDeep * kPanel, of_b += kDeep * kPanel) {
          add(sum, of_a, kDeep, of_b);
        }
        leave(sum, c.at(i, j), c.row);
      }
    }
  }
}

IMORI_AVX512 void put_rows(const float *from, int64_t, float *to, bool past) {
  for (int64_t i = 0; i < kPanel; i += kVector) put_line(to + i, reinterpret_cast<Bits>(get(from + i)), past);
}
IMORI_AVX512 void put_rows(const float *from, int64_t row, Half *to, bool past) {
  for (int64_t i = 0; i < kPanel; i += kVector) {
    const Vector pairs[] = {get(from + i), get(from + row + i)};
    Half numbers[kPanel];
    put_together(numbers, pairs, 1);
    Bits line;
    std::memcpy(&line, numbers, sizeof line);
    put_line(to + 2 * i, line, past);
  }
}
IMORI_AVX512 void put_rows(const Half *from, int64_t row, Half *to, bool past) {
  for (int64_t i = 0; i < kPanel; i += kVector) {
    put_line(to + 2 * i, widened(from + i) | widened(from + row + i) << 16, past);
  }
}

IMORI_AVX512 void pair(const Panels<Half> &m, int64_t first, int64_t last, int64_t columns) {
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

template <typename T>
IMORI_AVX512 void finish(const float *from, T *to, int64_t n, const float *add, float slope) {
  for (int64_t i = 0; i < n; i += kVector) {
    Vector v = get(from + i);
    if (add != nullptr) v += get(add + i);
    if (slope != 1) v = leaky(v, v, slope);
    put(to + i, v);
  }
}

#define IMORI_PRODUCTS_OF(T)                                                                                      \
  template void multiply(const Operand<T> &, const Panels<T> &, const Result &, int64_t, int64_t, int64_t, bool); \
  template void multiply_turned(const Panels<T> &, const Panels<T> &, const Result &, int64_t, int64_t, int64_t,  \
                                bool);                                                                            \
  template void finish(const float *, T *, int64_t, const float *, float);

IMORI_PRODUCTS_OF(float)
IMORI_PRODUCTS_OF(Half)
#undef IMORI_PRODUCTS_OF

}  // namespace panels
}  // namespace imori
