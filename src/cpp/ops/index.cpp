// Index expressions: basic parts make a view, arrays then gather from it or scatter into it.
// SPDX-License-Identifier: Apache-2.0
#include "ops/index.h"

#include "autograd/node.h"
#include "core/strided_loop.h"
#include "kernels/dispatch.h"
#include "ops/elementwise.h"
#include "ops/view.h"

namespace lepton {
namespace {

// An index expression split into a view of x and the arrays that index some of the view's axes.
struct Plan {
  Tensor view;
  std::vector<int64_t> axes;   // of the view, indexed by arrays
  std::vector<Tensor> arrays;  // int64, one per entry of axes
  bool adjacent = true;        // the arrays (and integers beside them) stand side by side
  size_t first = 0;            // axes of the view before the first of them
};

struct AxisSlice {
  int64_t start, length;
};
AxisSlice clip_slice(const Slice& s, int64_t n) {
  check<ValueError>(s.step != 0, "getitem: slice step cannot be zero");
  const auto bound = [&](int64_t i) {
    if (i < 0) i += n;
    return s.step > 0 ? std::clamp<int64_t>(i, 0, n) : std::clamp<int64_t>(i, -1, n - 1);
  };
  const int64_t start = s.start ? bound(*s.start) : (s.step > 0 ? 0 : n - 1);
  const int64_t stop = s.stop ? bound(*s.stop) : (s.step > 0 ? n : -1);
  const int64_t span = s.step > 0 ? stop - start : start - stop, step = std::abs(s.step);
  return {start, span > 0 ? (span + step - 1) / step : 0};
}

size_t consumed(const IndexItem& item) {
  if (std::holds_alternative<Ellipsis>(item) || std::holds_alternative<NewAxis>(item)) return 0;
  if (const Tensor* t = std::get_if<Tensor>(&item); t && t->dtype() == DType::kBool)
    return t->ndim();
  return 1;
}

class Planner {
 public:
  Planner(const Tensor& x, const Index& index) : x_(x), strides_(), offset_(x.offset()) {
    size_t axes = 0, ellipses = 0;
    for (const IndexItem& item : index) {
      axes += consumed(item);
      ellipses += std::holds_alternative<Ellipsis>(item);
    }
    check<IndexError>(ellipses <= 1, "getitem: only one ellipsis is allowed");
    check<IndexError>(axes <= x.ndim(), "getitem: too many indices, ", axes, " for shape ",
                      x.shape());
    rest_ = x.ndim() - axes;
    for (const IndexItem& item : index) arrays_ |= std::holds_alternative<Tensor>(item);
    for (const IndexItem& item : index) std::visit([&](const auto& i) { visit(i); }, item);
    while (axis_ < x.ndim()) keep();
    plan_.view = x.view(shape_, strides_, offset_);
  }
  Plan& plan() { return plan_; }

 private:
  int64_t length() const { return x_.shape()[axis_]; }
  void keep() {
    shape_.push_back(length());
    strides_.push_back(x_.strides()[axis_++]);
    gap();
  }
  void gap() { gap_ |= advanced_; }
  // Beside arrays, NumPy counts integers as arrays when it decides where the indexed axes go.
  void advanced() {
    if (!advanced_) plan_.first = shape_.size();
    if (gap_) plan_.adjacent = false;
    advanced_ = true;
  }

  void visit(int64_t i) {
    const int64_t n = length();
    check<IndexError>(i >= -n && i < n, "getitem: index ", i, " is out of bounds for axis ", axis_,
                      " with length ", n);
    offset_ += (i < 0 ? i + n : i) * x_.strides()[axis_++];
    if (arrays_) advanced();
  }
  void visit(const Slice& s) {
    const AxisSlice cut = clip_slice(s, length());
    if (cut.length > 0) offset_ += cut.start * x_.strides()[axis_];
    shape_.push_back(cut.length);
    strides_.push_back(x_.strides()[axis_++] * s.step);
    gap();
  }
  void visit(Ellipsis) {
    for (size_t k = 0; k < rest_; ++k) keep();
    rest_ = 0;
    gap();
  }
  void visit(NewAxis) {
    shape_.push_back(1);
    strides_.push_back(0);
    gap();
  }
  void visit(const Tensor& t) {
    advanced();
    if (t.dtype() == DType::kBool) {
      for (size_t k = 0; k < t.ndim(); ++k)
        check<IndexError>(t.shape()[k] == x_.shape()[axis_ + k] || t.shape()[k] == 0,
                          "getitem: boolean index of shape ", t.shape(), " does not match shape ",
                          x_.shape(), " at axis ", axis_ + k);
      if (t.ndim() == 0) {  // x[True]: a new axis of length one or zero
        shape_.push_back(1);
        strides_.push_back(0);
        add_array(static_cast<int64_t>(shape_.size()) - 1,
                  zeros({t.item<bool>() ? 1 : 0}, DType::kInt64));
        return;
      }
      for (const Tensor& i : nonzero(t)) array_axis(i);
      return;
    }
    check<IndexError>(is_integral(t.dtype()),
                      "getitem: index arrays expect an integer or bool dtype, got ", t.dtype());
    array_axis(t);
  }
  void array_axis(const Tensor& t) {
    const int64_t n = length();
    const Tensor i = clone(contiguous(cast(t, DType::kInt64)));
    int64_t* p = i.data<int64_t>();
    for (int64_t k = 0; k < i.numel(); ++k) {
      check<IndexError>(p[k] >= -n && p[k] < n, "getitem: index ", p[k], " at position ", k,
                        " is out of bounds for axis ", axis_, " with length ", n);
      if (p[k] < 0) p[k] += n;
    }
    shape_.push_back(n);
    strides_.push_back(x_.strides()[axis_++]);
    add_array(static_cast<int64_t>(shape_.size()) - 1, i);
  }
  void add_array(int64_t axis, const Tensor& i) {
    plan_.axes.push_back(axis);
    plan_.arrays.push_back(i);
  }

  const Tensor& x_;
  Plan plan_;
  Shape shape_;
  Strides strides_;
  int64_t offset_;
  size_t axis_ = 0, rest_ = 0;
  bool arrays_ = false;    // an array takes part
  bool advanced_ = false;  // an array, or an integer beside one, has been seen
  bool gap_ = false;       // something else has been seen after it
};

// The offsets (in elements, into the view) that broadcast index arrays stand for, and the result's
// shape.
struct Gather {
  std::vector<int64_t> offsets;
  Shape indexed;  // shape of the broadcast arrays
  Shape rest;     // lengths of the axes no array indexes
  Strides rest_strides;
  Shape result;
  Dims order;  // result axes seen as [indexed..., rest...]
};

Gather make_gather(const Plan& plan) {
  Gather g;
  for (const Tensor& a : plan.arrays) g.indexed = broadcast_shapes("getitem", g.indexed, a.shape());
  g.offsets.assign(static_cast<size_t>(count("getitem", g.indexed)), 0);
  for (size_t k = 0; k < plan.arrays.size(); ++k) {
    const Tensor wide = contiguous(broadcast_to(plan.arrays[k].detach(), g.indexed));
    const int64_t stride = plan.view.strides()[plan.axes[k]];
    for (size_t i = 0; i < g.offsets.size(); ++i) g.offsets[i] += wide.data<int64_t>()[i] * stride;
  }
  size_t before = 0;
  for (size_t i = 0; i < plan.view.ndim(); ++i) {
    if (std::find(plan.axes.begin(), plan.axes.end(), static_cast<int64_t>(i)) != plan.axes.end())
      continue;
    if (plan.adjacent && i < plan.first) ++before;
    g.rest.push_back(plan.view.shape()[i]);
    g.rest_strides.push_back(plan.view.strides()[i]);
  }
  // NumPy: side by side, the indexed axes stand where the arrays stood; apart, they come first.
  const size_t m = g.indexed.size();
  for (size_t i = 0; i < before; ++i) g.result.push_back(g.rest[i]);
  for (int64_t d : g.indexed) g.result.push_back(d);
  for (size_t i = before; i < g.rest.size(); ++i) g.result.push_back(g.rest[i]);
  for (size_t i = 0; i < m; ++i) g.order.push_back(static_cast<int64_t>(before + i));
  for (size_t i = 0; i < g.rest.size(); ++i)
    g.order.push_back(static_cast<int64_t>(i < before ? i : m + i));
  return g;
}

// Calls body(view pointer, packed pointer, n, view step, packed step) for every run of every index.
template <class Body>
void for_each_run(const Gather& g, const Tensor& view, const Tensor& packed, Body&& body) {
  const Tensor first = permute_dims(packed.detach(), g.order);  // [indexed..., rest...]
  Strides rest_of_packed(first.strides().begin() + g.indexed.size(), first.strides().end());
  const Shape indexed = g.indexed;
  const Strides indexed_strides(first.strides().begin(),
                                first.strides().begin() + g.indexed.size());
  const StridedLoop outer(indexed, {&indexed_strides});
  const StridedLoop inner(g.rest, {&rest_of_packed, &g.rest_strides});
  if (g.offsets.empty() || inner.numel() == 0) return;
  // The outer loop runs in the order of the indices (later writes win, sums keep their order).
  Dims at(indexed.size(), 0);
  const int64_t size = view.item_size();
  for (size_t i = 0; i < g.offsets.size(); ++i) {
    int64_t offset = 0;
    for (size_t a = 0; a < at.size(); ++a) offset += at[a] * indexed_strides[a];
    inner.run(0, inner.numel(), [&](const StridedLoop::Offsets& o, int64_t n) {
      body(view.bytes() + (g.offsets[i] + o[1]) * size, first.bytes() + (offset + o[0]) * size, n,
           inner.inner_stride(1), inner.inner_stride(0));
    });
    for (size_t a = at.size(); a-- > 0;) {
      if (++at[a] < indexed[a]) break;
      at[a] = 0;
    }
  }
}

void scatter_add(const Gather& g, const Tensor& view, const Tensor& dy) {
  dispatch_floating("getitem", view.dtype(), [&]<class T>() {
    for_each_run(g, view, dy,
                 [](std::byte* to, std::byte* from, int64_t n, int64_t to_step, int64_t step) {
                   T* d = reinterpret_cast<T*>(to);
                   const T* s = reinterpret_cast<const T*>(from);
                   for (int64_t i = 0; i < n; ++i) d[i * to_step] += s[i * step];
                 });
  });
}

Tensor gather(const Plan& plan, const Gather& g) {
  const Tensor y = empty(g.result, plan.view.dtype());
  const auto copy = kernels().copy->cast[index(y.dtype())][index(y.dtype())];
  for_each_run(g, plan.view, y,
               [&](std::byte* from, std::byte* to, int64_t n, int64_t step, int64_t to_step) {
                 copy(n, from, step, to, to_step);
               });
  return y;
}

// The index with arrays of its own: the caller may write to theirs before backward.
Index frozen(const Index& index) {
  Index copy = index;
  for (IndexItem& item : copy)
    if (Tensor* t = std::get_if<Tensor>(&item)) *t = clone(*t);
  return copy;
}

}  // namespace

Tensor get_index(const Tensor& x, const Index& index) {
  Planner planner(x, index);
  const Plan& plan = planner.plan();
  Recorder tape("getitem", {&x});
  const auto like = [&] {
    return strides_in_order(x.shape(), memory_order(x.shape(), x.strides()));
  };
  if (plan.arrays.empty()) {
    if (tape)
      tape.vjp(0, [index = frozen(index), from = x.shape(), layout = like()](const Tensor& dy) {
        const Tensor dx = zeros_strided(from, layout, dy.dtype());
        copy_into(Planner(dx, index).plan().view, dy);
        return dx;
      });
    return tape.output(plan.view);
  }
  const Gather g = make_gather(plan);
  const Tensor y = gather(plan, g);
  if (tape)
    tape.vjp(0, [index = frozen(index), from = x.shape(), layout = like()](const Tensor& dy) {
      const Tensor dx = zeros_strided(from, layout, dy.dtype());
      Planner again(dx, index);
      scatter_add(make_gather(again.plan()), again.plan().view, dy);
      return dx;
    });
  return tape.output(y);
}

namespace {

void write(const Plan& plan, const Tensor& value) {
  if (plan.arrays.empty()) return copy_into(plan.view, value);
  const Gather g = make_gather(plan);
  const Tensor packed = empty(g.result, plan.view.dtype());
  copy_into(packed, value);
  const auto copy = kernels().copy->cast[index(packed.dtype())][index(packed.dtype())];
  for_each_run(g, plan.view, packed,
               [&](std::byte* to, std::byte* from, int64_t n, int64_t step, int64_t from_step) {
                 copy(n, from, from_step, to, step);
               });
}

bool overlap(const Tensor& a, const Tensor& b) { return &a.storage() == &b.storage(); }

Shape target_shape(const Plan& plan) {
  return plan.arrays.empty() ? plan.view.shape() : make_gather(plan).result;
}

// x[index] = value for `op`, the name in messages and on the tape.
void write_recorded(const char* op, const Tensor& x, const Index& index, const Tensor& value) {
  check_writable(op, x);
  Planner planner(x, index);
  const Plan& plan = planner.plan();
  const Shape shape = target_shape(plan);
  // Leading axes of length one are ignored, as NumPy does.
  Tensor source = value;
  while (source.ndim() > shape.size() && source.shape()[0] == 1)
    source = reshape(source, Shape(source.shape().begin() + 1, source.shape().end()));
  check<ValueError>(
      source.ndim() <= shape.size() && broadcast_shapes(op, source.shape(), shape) == shape, op,
      ": value of shape ", value.shape(), " does not broadcast to ", shape);
  Recorder tape(op, {&x, &source});
  check<StateError>(!tape || x.storage().tracked <= (x.requires_grad() ? 1 : 0), op,
                    ": another tensor that records gradients shares this memory; write to a copy");
  write(plan, overlap(x, source) ? clone(source) : source);
  written(x);
  if (!tape) return;
  if (tape.needs(0))
    tape.vjp(0, [index = frozen(index)](const Tensor& dy) {
      const Tensor dx = clone(dy);
      write(Planner(dx, index).plan(), scalar(0, dy.dtype()));
      return dx;
    });
  if (tape.needs(1))
    tape.vjp(1, [index = frozen(index), from = source.shape(), dtype = source.dtype()](
                    const Tensor& dy) { return sum_to(get_index(dy, index), from, dtype); });
  tape.output(x);
}

}  // namespace

void set_index(const Tensor& x, const Index& index, const Tensor& value) {
  write_recorded("setitem", x, index, value);
}

void assign(const char* op, const Tensor& target, const Tensor& value) {
  check<ValueError>(value.ndim() <= target.ndim() &&
                        broadcast_shapes(op, value.shape(), target.shape()) == target.shape(),
                    op, ": value of shape ", value.shape(), " does not broadcast to ",
                    target.shape());
  write_recorded(op, target, {Ellipsis{}}, value);
}

Tensor take(const Tensor& x, const Tensor& indices, std::optional<int64_t> axis) {
  check<ValueError>(axis || x.ndim() == 1, "take: expects an axis for shape ", x.shape());
  check<TypeError>(is_integral(indices.dtype()), "take: indices expect an integer dtype, got ",
                   indices.dtype());
  const int64_t a = normalize_axis("take", axis.value_or(0), x.ndim()), n = x.shape()[a];
  const Tensor at = clone(contiguous(cast(indices, DType::kInt64)));
  int64_t* p = at.data<int64_t>();
  for (int64_t k = 0; k < at.numel(); ++k) {
    check<IndexError>(p[k] >= -n && p[k] < n, "take: index ", p[k], " at position ", k,
                      " is out of bounds for axis ", a, " with length ", n);
    if (p[k] < 0) p[k] += n;
  }
  Shape shape(x.shape().begin(), x.shape().begin() + a);
  for (int64_t d : at.shape()) shape.push_back(d);
  for (size_t i = a + 1; i < x.ndim(); ++i) shape.push_back(x.shape()[i]);
  const Tensor y = empty(shape, x.dtype()), source = contiguous(x);
  int64_t outer = 1, inner = x.item_size();
  for (int64_t i = 0; i < a; ++i) outer *= x.shape()[i];
  for (size_t i = a + 1; i < x.ndim(); ++i) inner *= x.shape()[i];
  const int64_t rows = at.numel(),
                grain = std::max<int64_t>(1, (1 << 16) / std::max<int64_t>(inner, 1));
  for (int64_t o = 0; o < outer && inner > 0; ++o)
    parallel_for(0, rows, grain, [&](int64_t b, int64_t e) {
      kernels().copy->take_rows(e - b, inner, source.bytes() + o * n * inner, p + b,
                                y.bytes() + (o * rows + b) * inner);
    });
  Recorder tape("take", {&x});
  if (tape)
    tape.vjp(0, [at, a, from = x.shape()](const Tensor& dy) {
      const Tensor dx = zeros(from, dy.dtype());
      Index index(static_cast<size_t>(a), IndexItem(Slice{}));
      index.emplace_back(at);
      Planner planner(dx, index);
      scatter_add(make_gather(planner.plan()), planner.plan().view, dy);
      return dx;
    });
  return tape.output(y);
}

Tensor take_along_axis(const Tensor& x, const Tensor& indices, int64_t axis) {
  check<ValueError>(x.ndim() == indices.ndim(), "take_along_axis: expects indices with ", x.ndim(),
                    " axes, got shape ", indices.shape());
  const int64_t a = normalize_axis("take_along_axis", axis, x.ndim());
  Index index;
  Shape others = x.shape();
  others[a] = indices.shape()[a];
  others = broadcast_shapes("take_along_axis", others, indices.shape());
  for (size_t i = 0; i < x.ndim(); ++i) {
    if (static_cast<int64_t>(i) == a) {
      index.emplace_back(indices);
      continue;
    }
    Shape shape(x.ndim(), 1);
    shape[i] = x.shape()[i];
    Tensor along = empty(shape, DType::kInt64);
    for (int64_t k = 0; k < shape[i]; ++k) along.data<int64_t>()[k] = k;
    index.emplace_back(along);
  }
  return get_index(x, index);
}

std::vector<Tensor> nonzero(const Tensor& x) {
  check<ValueError>(x.ndim() > 0, "nonzero: expects at least one axis");
  const Tensor mask = contiguous(cast(x.detach(), DType::kBool));
  const bool* p = mask.data<bool>();
  const int64_t n = mask.numel(), hits = std::count(p, p + n, true);
  std::vector<Tensor> result;
  for (size_t a = 0; a < x.ndim(); ++a) result.push_back(empty({hits}, DType::kInt64));
  const Strides strides = contiguous_strides(x.shape());
  for (int64_t i = 0, k = 0; i < n; ++i) {
    if (!p[i]) continue;
    for (size_t a = 0; a < x.ndim(); ++a)
      result[a].data<int64_t>()[k] = i / strides[a] % x.shape()[a];
    ++k;
  }
  return result;
}

}  // namespace lepton
