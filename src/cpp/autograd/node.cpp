// Recording of ops, saved tensors and the rules for writing in place.
// SPDX-License-Identifier: Apache-2.0
#include "autograd/node.h"

#include <atomic>

namespace lepton {
namespace {

thread_local bool recording = true;
std::atomic<uint64_t> next_sequence{0};

}  // namespace

Saved::Saved(const char* op, const Tensor& x) : op_(op) {
  if (!x.defined()) return;
  // Without history: a node that kept its own output with history would keep itself alive.
  tensor_ = x.detach();
  version_ = x.storage().version();
  x.storage().add_saver(op_);
}

Saved::~Saved() {
  if (tensor_.defined()) tensor_.storage().remove_saver(op_);
}

const Tensor& Saved::get() const {
  if (tensor_.defined())
    check<StateError>(tensor_.storage().version() == version_, "backward: the gradient of ", op_,
                      " needs a tensor of shape ", tensor_.shape(),
                      " that was changed in place after ", op_, " saved it");
  return tensor_;
}

Node::~Node() {
  // A chain of a million ops must not be freed by a million nested calls.
  thread_local std::vector<Ref<Node>>* pending = nullptr;
  vjps.clear();
  joint = nullptr;
  if (pending) {
    for (auto& n : nodes)
      if (n) pending->push_back(std::move(n));
    return;
  }
  std::vector<Ref<Node>> worklist;
  pending = &worklist;
  for (auto& n : nodes)
    if (n) worklist.push_back(std::move(n));
  while (!worklist.empty()) {
    Ref<Node> last = std::move(worklist.back());
    worklist.pop_back();
    last = Ref<Node>();
  }
  pending = nullptr;
}

void Node::release() {
  vjps.clear();
  joint = nullptr;
  freed = true;
}

Recorder::Recorder(const char* op, std::initializer_list<const Tensor*> inputs) {
  bool any = false;
  if (recording)
    for (const Tensor* x : inputs) any |= x->defined() && x->requires_grad();
  if (!any) return;
  node_ = Ref<Node>(new Node);
  node_->op = op;
  for (const Tensor* x : inputs) add(*x);
}

Recorder::Recorder(const char* op, const std::vector<Tensor>& inputs) {
  bool any = false;
  if (recording)
    for (const Tensor& x : inputs) any |= x.defined() && x.requires_grad();
  if (!any) return;
  node_ = Ref<Node>(new Node);
  node_->op = op;
  for (const Tensor& x : inputs) add(x);
}

void Recorder::add(const Tensor& x) {
  const bool needed = x.defined() && x.requires_grad();
  node_->needed.push_back(needed);
  Ref<Node> source;
  if (needed && !x.is_leaf()) source = Ref<Node>(static_cast<Node*>(x.impl()->history.get()));
  node_->leaves.push_back(needed && !source ? x : Tensor());
  node_->nodes.push_back(std::move(source));
}

void Recorder::vjp(size_t input, Node::Vjp f) {
  if (!node_) return;
  if (node_->vjps.empty()) node_->vjps.resize(node_->needed.size());
  node_->vjps[input] = std::move(f);
}

void Recorder::joint(Node::JointVjp f) {
  if (node_) node_->joint = std::move(f);
}

Tensor Recorder::output(Tensor y) {
  if (!node_) return y;
  node_->sequence = next_sequence.fetch_add(1, std::memory_order_relaxed);
  TensorImpl* impl = y.impl();
  if (!impl->requires_grad) impl->storage->tracked.fetch_add(1, std::memory_order_relaxed);
  impl->requires_grad = true;
  impl->history = Ref<History>(node_.get());
  return y;
}

Tensor side_output(const char* op, const Tensor& y, Tensor x,
                   std::function<void(const Tensor& dx)> take) {
  Recorder tape(op, {&y});
  if (tape) tape.node_->side = true;
  tape.vjp(0, [take = std::move(take)](const Tensor& dx) {
    take(dx);
    return Tensor();
  });
  return tape.output(std::move(x));
}

bool grad_enabled() { return recording; }
void set_grad_enabled(bool on) { recording = on; }

void set_requires_grad(const Tensor& x, bool on) {
  if (x.requires_grad() == on) return;
  check<ValueError>(x.is_leaf(),
                    "requires_grad: can only be changed on a leaf; use detach() first");
  check<ValueError>(!on || is_floating(x.dtype()),
                    "requires_grad: only float32 and float64 tensors take gradients, got ",
                    x.dtype());
  x.impl()->requires_grad = on;
  x.storage().tracked.fetch_add(on ? 1 : -1, std::memory_order_relaxed);
}

void check_writable(const char* op, const Tensor& x) {
  check<ValueError>(x.storage().writable(), op, ": the tensor's memory is read-only");
  if (!recording) return;
  check<StateError>(!(x.requires_grad() && x.is_leaf()), op,
                    ": a leaf that requires grad cannot be written in place; use no_grad()");
  if (const char* saver = x.storage().saver())
    raise<StateError>(op, ": cannot write in place, the gradient of ", saver,
                      " still needs this tensor (shape ", x.shape(), ")");
}

void written(const Tensor& x) { x.storage().bump_version(); }

}  // namespace lepton
