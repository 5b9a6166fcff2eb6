// algorithm argmax
//   input x: f32[10, 100]
//   best.0[i], best.1[i] = reduce.argmax(x[i, j], j) over i<10, j<100 reduce
//   output best.0, best.1

extern "C" __global__ void __launch_bounds__(128)
argmax_i64_4x32_t128(const float* __restrict__ x, float* __restrict__ best_0, long long* __restrict__ best_1) {
  const int i_o = blockIdx.x;
  const int tid = threadIdx.x;
  const int x_at = i_o * 400 + tid / 32 * 100 + tid % 32;
  const int best_0_at = i_o * 4 + tid / 32;
  const int best_1_at = i_o * 4 + tid / 32;
  float value[1];
  long long index[1];
  const float new_value = -__int_as_float(0x7f800000);
  const long long new_index = 9223372036854775807LL;
  value[0] = new_value;
  index[0] = new_index;
  for (int j_o = 0; j_o < 4; j_o++) {
    if (i_o * 4 + tid / 32 < 10) {
      if (j_o * 32 + tid % 32 < 100) {
        const float x_v = x[x_at + j_o * 32];
        const bool t = x_v == x_v && (value[0] != value[0] || x_v < value[0]) || (value[0] == x_v || value[0] != value[0] && x_v != x_v) && index[0] < j_o * 32 + tid % 32;
        const float new_value_1 = t ? value[0] : x_v;
        const long long new_index_1 = t ? index[0] : j_o * 32 + tid % 32;
        value[0] = new_value_1;
        index[0] = new_index_1;
      }
    }
  }
#pragma unroll
  for (int mask = 1; mask < 32; mask <<= 1) {
    const float value_other = __shfl_xor_sync(0xffffffffu, value[0], mask);
    const long long index_other = __shfl_xor_sync(0xffffffffu, index[0], mask);
    const bool upper = (tid & mask) != 0;
    const float lower_lane = upper ? value_other : value[0];
    const long long lower_lane_1 = upper ? index_other : index[0];
    const float upper_lane = upper ? value[0] : value_other;
    const long long upper_lane_1 = upper ? index[0] : index_other;
    const bool t_1 = upper_lane == upper_lane && (lower_lane != lower_lane || upper_lane < lower_lane) || (lower_lane == upper_lane || lower_lane != lower_lane && upper_lane != upper_lane) && lower_lane_1 < upper_lane_1;
    const float new_value_2 = t_1 ? lower_lane : upper_lane;
    const long long new_index_2 = t_1 ? lower_lane_1 : upper_lane_1;
    value[0] = new_value_2;
    index[0] = new_index_2;
  }
  if (tid % 32 == 0 && i_o * 4 + tid / 32 < 10) {
    best_0[best_0_at] = value[0];
    best_1[best_1_at] = index[0];
  }
}
