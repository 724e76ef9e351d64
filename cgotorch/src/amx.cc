#include "amx.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#define IMORI_HAS_AMX 1
#endif

#include <atomic>
#include <cstring>

#include "precision.h"
#include "simd.h"
#include "transpose.h"

namespace imori {
namespace amx {

namespace {

std::atomic<bool> used{true};

}  // namespace

bool set_used(bool on) { return used.exchange(on); }

void turn(Half *block) {
  // A pair of numbers changes places as one of float32 does.
  float turned[kBlock / 2];
  transpose_block(turned, reinterpret_cast<const float *>(block), kSide, kSide / 2, kSide);
  std::memcpy(static_cast<void *>(block), turned, sizeof turned);
}

#ifdef IMORI_HAS_AMX

namespace {

#define IMORI_AMX __attribute__((target("amx-tile,amx-bf16")))

bool ask() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!kThreads || !our_bf16() || __get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  const bool tiles = (d >> 24 & 1) != 0, bf16 = (d >> 22 & 1) != 0;
  // Linux gives the registers to those processes alone that ask for them, since they are large.
  constexpr long kAskForState = 0x1023, kTileData = 18;
  return tiles && bf16 && syscall(SYS_arch_prctl, kAskForState, kTileData) == 0;
}

// The processor's description of its eight registers: 16 rows of 64 bytes each.
struct alignas(64) Setup {
  uint8_t palette = 1, start = 0, reserved[14] = {};
  uint16_t bytes[16] = {};
  uint8_t rows[16] = {};

  Setup() {
    for (int i = 0; i < 8; i++) bytes[i] = 64, rows[i] = 16;
  }
};

// Rows of a register, and numbers of float32 in one.
constexpr int64_t kTile = 16;

// On the right side, from a pair of rows to the next one, and to the second half of its columns; in bytes.
constexpr int64_t kRight = 2 * kSide * sizeof(Half), kFarther = kRight / 2;

// The compiler does not know that tiles are read from memory.
inline void written() { asm volatile("" ::: "memory"); }

// The compiler gives constructors no instructions of their own.
IMORI_AMX void begin(const Setup *setup) {
  written();
  _tile_loadconfig(setup);
}
IMORI_AMX void end() { _tile_release(); }

}  // namespace

bool available() {
  static const bool is = ask();
  return is && used;
}

Tiles::Tiles() {
  static const Setup setup;
  begin(&setup);
}

Tiles::~Tiles() { end(); }

IMORI_AMX void Tiles::multiply(const std::vector<Factors> &factors, const Shift &shift, const Sum &sum,
                               int64_t left_row) const {
  const int64_t row = sum.row * int64_t{sizeof(float)}, left_bytes = left_row * int64_t{sizeof(Half)};
  float *upper = sum.to, *lower = sum.to + kTile * sum.row;
  const bool both = sum.rows > kTile;
  written();
  if (sum.more) {
    _tile_loadd(0, upper, row);
    _tile_loadd(1, upper + kTile, row);
    if (both) {
      _tile_loadd(2, lower, row);
      _tile_loadd(3, lower + kTile, row);
    }
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (const Factors &f : factors) {
    const Half *left = f.left + shift.left;
    const char *right = reinterpret_cast<const char *>(f.right + shift.right);
    _tile_loadd(4, left, left_bytes);
    _tile_loadd(6, right, kRight);
    _tile_loadd(7, right + kFarther, kRight);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    if (both) {
      _tile_loadd(5, left + kTile * left_row, left_bytes);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, upper, row);
  _tile_stored(1, upper + kTile, row);
  if (both) {
    _tile_stored(2, lower, row);
    _tile_stored(3, lower + kTile, row);
  }
}

#else

bool available() { return false; }
Tiles::Tiles() = default;
Tiles::~Tiles() = default;
void Tiles::multiply(const std::vector<Factors> &, const Shift &, const Sum &, int64_t) const {}

#endif

}  // namespace amx
}  // namespace imori
