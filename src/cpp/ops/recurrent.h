// One layer of recurrent cells over a sequence: LSTM, GRU and the plain cell.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "ops/op.h"

namespace lepton {

/// {output [T, N, H], h_n [N, H], c_n [N, H]} of input [T, N, I]; weights of the gates input,
/// forget, cell, output one below the other; undefined first states are zero.
std::vector<Tensor> lstm(const Tensor& input, const Tensor& weight_ih, const Tensor& weight_hh,
                         const std::optional<Tensor>& bias_ih = {},
                         const std::optional<Tensor>& bias_hh = {},
                         const std::optional<Tensor>& h0 = {}, const std::optional<Tensor>& c0 = {},
                         bool reverse = false);
/// {output, h_n}; gates reset, update, new.
std::vector<Tensor> gru(const Tensor& input, const Tensor& weight_ih, const Tensor& weight_hh,
                        const std::optional<Tensor>& bias_ih = {},
                        const std::optional<Tensor>& bias_hh = {},
                        const std::optional<Tensor>& h0 = {}, bool reverse = false);
/// {output, h_n}; nonlinearity is "tanh" or "relu".
std::vector<Tensor> rnn(const Tensor& input, const Tensor& weight_ih, const Tensor& weight_hh,
                        const std::optional<Tensor>& bias_ih = {},
                        const std::optional<Tensor>& bias_hh = {},
                        const std::optional<Tensor>& h0 = {},
                        const std::string& nonlinearity = "tanh", bool reverse = false);

template <class Visit>
void visit_recurrent_ops(Visit&& op) {
  op(OpInfo{.name = "lstm",
            .signature = "input, weight_ih, weight_hh, bias_ih=None, bias_hh=None, h0=None, "
                         "c0=None, reverse=False",
            .doc = "One direction of one LSTM layer: input [T, N, I], weight_ih [4 H, I], "
                   "weight_hh [4 H, H] and biases [4 H] in the order input, forget, cell, output; "
                   "states [N, H], zero if not given. Returns output [T, N, H], h_n and c_n; "
                   "reverse starts from the last step.",
            .formula = "lstm(input, weight_ih, weight_hh, bias_ih, bias_hh, h0, c0, reverse)",
            .samples = "randn(5, 2, 4), randn(12, 4), randn(12, 3), randn(12), randn(12), "
                       "randn(2, 3), randn(2, 3); "
                       "randn(4, 6, 2), randn(40, 2), randn(40, 10), reverse=True; "
                       "randn(2, 3, 5), randn(4, 5), randn(4, 1), randn(4), None, None, "
                       "randn(3, 1)",
            .onnx = "LSTM"},
     &lstm);
  op(OpInfo{.name = "gru",
            .signature = "input, weight_ih, weight_hh, bias_ih=None, bias_hh=None, h0=None, "
                         "reverse=False",
            .doc =
                "One direction of one GRU layer: as lstm, but with three gates in the order reset, "
                "update, new, and without a cell state. Returns output [T, N, H] and h_n.",
            .formula = "gru(input, weight_ih, weight_hh, bias_ih, bias_hh, h0, reverse)",
            .samples = "randn(5, 2, 4), randn(9, 4), randn(9, 3), randn(9), randn(9), "
                       "randn(2, 3); "
                       "randn(4, 6, 2), randn(30, 2), randn(30, 10), reverse=True; "
                       "randn(2, 4, 5), randn(3, 5), randn(3, 1), None, randn(3)",
            .onnx = "GRU"},
     &gru);
  op(OpInfo{.name = "rnn",
            .signature = "input, weight_ih, weight_hh, bias_ih=None, bias_hh=None, h0=None, "
                         "nonlinearity='tanh', reverse=False",
            .doc = "One direction of one recurrent layer h = f(x W_ih^T + b_ih + h W_hh^T + b_hh), "
                   "where f is 'tanh' or 'relu': as lstm, but with one gate and without a cell "
                   "state. Returns output [T, N, H] and h_n.",
            .formula = "rnn(input, weight_ih, weight_hh, bias_ih, bias_hh, h0, nonlinearity, "
                       "reverse)",
            .samples = "randn(5, 2, 4), randn(3, 4), randn(3, 3), randn(3), randn(3), "
                       "randn(2, 3); "
                       "randn(4, 6, 2), randn(10, 2), randn(10, 10), reverse=True; "
                       "randn(4, 3, 5), randn(2, 5), randn(2, 2), nonlinearity='relu'",
            .onnx = "RNN"},
     &rnn);
}

}  // namespace lepton
