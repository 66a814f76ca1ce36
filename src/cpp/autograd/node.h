// The tape: how an op records its gradient, and what it keeps until backward has passed.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <initializer_list>
#include <vector>

#include "core/sparse_rows.h"
#include "core/tensor.h"

namespace lepton {

/// A tensor whose content a gradient needs. get() raises if it was written to since it was saved.
class Saved {
 public:
  Saved() = default;
  Saved(const char* op, const Tensor& x);
  Saved(const Saved& other) : Saved(other.op_, other.tensor_) { version_ = other.version_; }
  Saved(Saved&& other) noexcept = default;
  Saved& operator=(const Saved&) = delete;
  ~Saved();
  const Tensor& get() const;
  const Tensor& operator*() const { return get(); }
  const Tensor* operator->() const { return &get(); }

 private:
  const char* op_ = nullptr;
  Tensor tensor_;
  int64_t version_ = 0;
};

/// Gradients of one node's inputs, filled by its vjp.
class Gradients {
 public:
  explicit Gradients(const std::vector<bool>& needed) : needed_(needed), values_(needed.size()) {}
  bool needs(size_t input) const { return needed_[input]; }
  Tensor& operator[](size_t input) { return values_[input]; }
  /// Gives the gradient of a matrix as its rows; a leaf keeps them so.
  void give_rows(size_t input, Ref<SparseRows> rows) { rows_.emplace_back(input, std::move(rows)); }
  const std::vector<std::pair<size_t, Ref<SparseRows>>>& rows() const { return rows_; }

 private:
  const std::vector<bool>& needed_;
  std::vector<Tensor> values_;
  std::vector<std::pair<size_t, Ref<SparseRows>>> rows_;
};

/// One recorded op with one output: where its inputs came from and its vector-Jacobian products.
struct Node : History {
  using Vjp = std::function<Tensor(const Tensor& dy)>;
  using JointVjp = std::function<void(const Tensor& dy, Gradients& dx)>;

  const char* op;
  uint64_t sequence;             // grows with time: a valid topological order
  std::vector<Tensor> leaves;    // per input: the leaf that takes the gradient, or undefined
  std::vector<Ref<Node>> nodes;  // per input: the op that made it, or null
  std::vector<bool> needed;      // per input: does it take a gradient at all
  std::vector<Vjp> vjps;         // per input, or
  JointVjp joint;                // one for all
  bool side = false;             // see side_output: its input's op runs though it sends nothing
  bool freed = false;

  ~Node() override;
  /// Drops the functions and with them every saved tensor.
  void release();
};

/// Builds the node of one op call. Records nothing when gradients are off or no input asks for one.
///
///     Recorder tape("multiply", {&a, &b});
///     if (tape.needs(0)) tape.vjp(0, [b = tape.save(b)](const Tensor& dy) { return multiply(dy,
///     *b); }); return tape.output(y);
class Recorder {
 public:
  Recorder(const char* op, std::initializer_list<const Tensor*> inputs);
  Recorder(const char* op, const std::vector<Tensor>& inputs);
  /// Whether anything is recorded.
  explicit operator bool() const { return static_cast<bool>(node_); }
  bool needs(size_t input) const { return node_ && node_->needed[input]; }
  Saved save(const Tensor& x) const { return Saved(node_->op, x); }
  void vjp(size_t input, Node::Vjp f);
  void joint(Node::JointVjp f);
  /// y, tied to the node. y must be fresh: without history of its own.
  Tensor output(Tensor y);

 private:
  friend Tensor side_output(const char* op, const Tensor& y, Tensor x,
                            std::function<void(const Tensor& dx)> take);
  void add(const Tensor& x);
  Ref<Node> node_;
};

/// x as a further result of the op that made y: `take` gets its gradient before the vjp of y runs,
/// whose dy is undefined if y itself has none. x must be fresh.
Tensor side_output(const char* op, const Tensor& y, Tensor x,
                   std::function<void(const Tensor& dx)> take);

/// Whether ops record on this thread.
bool grad_enabled();
void set_grad_enabled(bool on);

/// Turns recording off (or on) while it lives.
class GradMode {
 public:
  explicit GradMode(bool on) : before_(grad_enabled()) { set_grad_enabled(on); }
  ~GradMode() { set_grad_enabled(before_); }
  GradMode(const GradMode&) = delete;
  GradMode& operator=(const GradMode&) = delete;

 private:
  bool before_;
};

/// Marks a leaf as taking gradients or not; ValueError for a dtype without gradients or for a
/// non-leaf.
void set_requires_grad(const Tensor& x, bool on);

/// Call before writing to x in place, then write, then give the result's history with `rebase`.
/// Raises if memory is read-only, x is a leaf that takes gradients, or a gradient still needs the
/// content.
void check_writable(const char* op, const Tensor& x);
/// Marks x's memory as written.
void written(const Tensor& x);

}  // namespace lepton
