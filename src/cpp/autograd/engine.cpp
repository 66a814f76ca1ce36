// The backward sweep: nodes in reverse order of their making, each once.
// SPDX-License-Identifier: Apache-2.0
#include "autograd/engine.h"

#include <queue>
#include <unordered_map>

#include "autograd/node.h"
#include "core/parallel.h"
#include "core/sparse_rows.h"
#include "kernels/dispatch.h"
#include "kernels/elementwise.h"

namespace lepton {
namespace {

// dst += src; dst is memory nobody else reads.
void add_into(const Tensor& dst, const Tensor& src) {
  if (!dst.is_dense()) {
    const Tensor total = clone(dst);
    add_into(total, src);
    return copy_into(dst, total);
  }
  Tensor laid = src;
  if (src.strides() != dst.strides()) {
    laid = empty_like(dst);
    copy_into(laid, src);
  }
  const int add = LEPTON_ISA::ElementwiseOps::position<LEPTON_ISA::Add>;
  const auto kernel = kernels().elementwise->ops[add].forward[index(dst.dtype())];
  const int64_t size = dst.item_size();
  parallel_for(0, dst.numel(), 1 << 15, [&](int64_t b, int64_t e) {
    const void* inputs[] = {dst.bytes() + b * size, laid.bytes() + b * size};
    kernel(e - b, inputs, dst.bytes() + b * size, nullptr, false);
  });
}

class Sweep {
 public:
  explicit Sweep(bool retain_graph) : retain_(retain_graph) {}

  void run(const Tensor& root, const Tensor& dy) {
    send(root.is_leaf() ? root : Tensor(), static_cast<Node*>(root.impl()->history.get()), dy);
    while (!queue_.empty()) {
      Node* node = queue_.top();
      queue_.pop();
      const auto it = pending_.find(node);
      Slot slot = std::move(it->second);
      pending_.erase(it);
      visit(*node, std::move(slot.gradient));
    }
  }

 private:
  struct Slot {
    Ref<Node> node;
    Tensor gradient;
  };
  struct Earlier {
    bool operator()(const Node* a, const Node* b) const { return a->sequence < b->sequence; }
  };

  // Lets go of dy before it hands the results on: one that took dy's memory is then held once, and
  // may be kept or added to without a copy.
  void visit(Node& node, Tensor dy) {
    check<StateError>(!node.freed, "backward: what ", node.op,
                      " saved was freed by an earlier backward; pass retain_graph=True there");
    Gradients dx(node.needed);
    if (node.joint) node.joint(dy, dx);
    for (size_t i = 0; i < node.vjps.size(); ++i)
      if (node.needed[i] && node.vjps[i]) dx[i] = node.vjps[i](dy);
    dy = Tensor();
    for (size_t i = 0; i < node.needed.size(); ++i)
      if (node.needed[i] && (dx[i].defined() || node.side))
        send(node.leaves[i], node.nodes[i].get(), std::move(dx[i]));
    for (const auto& [i, rows] : dx.rows()) send(node.leaves[i], node.nodes[i].get(), rows);
    if (!retain_) node.release();
  }

  void send(const Tensor& leaf, Node* node, Tensor dx) {
    if (leaf.defined()) return accumulate(leaf, std::move(dx));
    Slot& slot = pending_[node];
    if (!slot.node) {
      slot.node = Ref<Node>(node);
      queue_.push(node);
    }
    if (!dx.defined()) return;  // of a side output: its taker has it
    if (!slot.gradient.defined()) {
      slot.gradient = std::move(dx);
    } else {
      if (!slot.gradient.is_unshared() || !slot.gradient.is_dense())
        slot.gradient = clone(slot.gradient);
      add_into(slot.gradient, dx);
    }
  }

  void send(const Tensor& leaf, Node* node, const Ref<SparseRows>& rows) {
    if (!leaf.defined()) return send(leaf, node, to_dense(*rows));
    auto& kept = leaf.impl()->grad_rows;
    if (const auto& grad = leaf.impl()->grad) {
      add_into(*grad, *rows);
      written(*grad);
    } else if (kept) {
      kept->become(*add(*kept, *rows));
    } else {
      kept = rows;
    }
  }

  static void accumulate(const Tensor& leaf, Tensor dx) {
    auto& grad = leaf.impl()->grad;
    if (auto& rows = leaf.impl()->grad_rows) {
      grad = std::make_unique<Tensor>(to_dense(*rows));
      rows = {};
    }
    if (grad && grad->defined()) {
      add_into(*grad, dx);
      written(*grad);
      return;
    }
    // Kept without a copy when nobody else holds the memory and it lies as the leaf does.
    const bool keep = dx.is_unshared() && dx.strides() == leaf.strides() && !dx.requires_grad();
    if (!keep) {
      Tensor copy = empty_like(leaf);
      copy_into(copy, dx);
      dx = copy;
    }
    grad = std::make_unique<Tensor>(std::move(dx));
  }

  bool retain_;
  std::unordered_map<Node*, Slot> pending_;
  std::priority_queue<Node*, std::vector<Node*>, Earlier> queue_;
};

}  // namespace

void backward(const Tensor& y, Tensor dy, bool retain_graph) {
  check<ValueError>(y.requires_grad(),
                    "backward: the tensor records no gradient; no input of it has requires_grad");
  if (!dy.defined()) {
    check<ValueError>(y.numel() == 1,
                      "backward: expects a gradient for a tensor that is not a scalar, shape ",
                      y.shape());
    dy = ones(y.shape(), y.dtype());
  }
  check<ValueError>(dy.shape() == y.shape(), "backward: gradient expects shape ", y.shape(),
                    ", got ", dy.shape());
  check<TypeError>(dy.dtype() == y.dtype(), "backward: gradient expects ", y.dtype(), ", got ",
                   dy.dtype());
  const GradMode off(false);
  Sweep(retain_graph).run(y, dy.detach());
}

}  // namespace lepton
