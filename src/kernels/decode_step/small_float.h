// Shares of a largest value in 8 bits, as small floats: the top bits of the float32, exponents
// counted down from that of 1. Rounding adds random bits below the cut, as for bfloat16, so a
// rounded value is right on average.
#pragma once

#include <bit>
#include <cstdint>

namespace thoughtrank {

// `Exponents` binades below 1, 8 steps each; code 0 is 0.
template <int Exponents>
struct SmallFloat {
  static constexpr uint32_t kCut = 20;  // of 23 bits of mantissa
  static constexpr uint32_t kOffset = (127 - Exponents) << 3;
  static constexpr float kLeast = std::bit_cast<float>((kOffset + 1) << kCut);

  static constexpr float decode(uint32_t code) {
    return code == 0 ? 0.0F : std::bit_cast<float>((code + kOffset) << kCut);
  }
  // A share in [kLeast, 1].
  static constexpr uint32_t encode(float share, uint16_t random) {
    return ((std::bit_cast<uint32_t>(share) + (uint32_t{random} << 4)) >> kCut) - kOffset;
  }
};

// Values of both signs: sign, 4 bits of exponent, 3 of mantissa. Shares below the least step become
// that step or 0, right on average.
struct SignedShare {
  using Float = SmallFloat<15>;
  static constexpr uint8_t encode(float value, float inverse_scale, uint16_t random) {
    const float share = (value < 0 ? -value : value) * inverse_scale;
    const uint32_t sign = value < 0 ? 0x80 : 0;
    if (share >= Float::kLeast) {
      return static_cast<uint8_t>(sign | Float::encode(share < 1 ? share : 1.0F, random));
    }
    const bool is_up = static_cast<float>(random) < share / Float::kLeast * 65536.0F;
    return static_cast<uint8_t>(is_up ? sign | 1 : 0);
  }
  static constexpr float decode(uint8_t code, float scale) {
    const float value = Float::decode(code & 0x7F) * scale;
    return (code & 0x80) != 0 ? -value : value;
  }
};

// Values that are not negative: 5 bits of exponent, 3 of mantissa. What is not 0 never becomes 0.
struct PositiveShare {
  using Float = SmallFloat<31>;
  static constexpr uint8_t encode(float value, float inverse_scale, uint16_t random) {
    const float share = value * inverse_scale;
    if (share >= Float::kLeast) {
      return static_cast<uint8_t>(Float::encode(share < 1 ? share : 1.0F, random));
    }
    return value > 0 ? 1 : 0;
  }
  static constexpr float decode(uint8_t code, float scale) { return Float::decode(code) * scale; }
};

}  // namespace thoughtrank
