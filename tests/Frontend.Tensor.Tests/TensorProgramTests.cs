using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>
/// Random programs of views, indices of every kind, assignments, joins, broadcasts and reductions, over shapes with sizes of
/// 0, 1 and primes: run on tensors and on plain arrays, step by step. A plain array holds for each element the place in its
/// storage, so that views share memory there as well.
/// </summary>
public class TensorProgramTests
{
    private static readonly long[] Sizes = [0, 1, 1, 2, 3, 5, 7];

    /// <summary>A view: sizes, and for each element in row-major order its place in a storage.</summary>
    private sealed record Array(long[] Shape, int[] Places, double[] Storage)
    {
        public static Array Of(long[] shape, Func<int, double> value)
        {
            int count = (int)Layout.CountOf(shape);
            return new(shape, [.. Enumerable.Range(0, count)], [.. Enumerable.Range(0, count).Select(value)]);
        }

        public double[] Values => [.. Places.Select(p => Storage[p])];

        public int At(long[] index)
        {
            long at = 0;
            for (int d = 0; d < Shape.Length; d++)
                at = at * Shape[d] + index[d];
            return Places[at];
        }

        /// <summary>The view of a shape whose element at an index is this one's at another.</summary>
        public Array View(long[] shape, Func<long[], long[]> from)
        {
            int count = (int)Layout.CountOf(shape);
            return this with
            {
                Shape = shape,
                Places = [.. Enumerable.Range(0, count).Select(i => At(from(Plain.Index(shape, i))))],
            };
        }

        public Array Copy() => Of(Shape, i => Storage[Places[i]]);
    }

    private sealed class Run(Random random)
    {
        private readonly List<(Tensor Tensor, Array Array)> _all = [];
        private readonly List<string> _log = [];

        public string Log => string.Join("\n", _log);

        public void Start()
        {
            for (int i = 0; i < 3; i++)
            {
                long[] shape =
                [
                    .. Enumerable.Range(0, random.Next(0, 5)).Select(_ => Sizes[random.Next(Sizes.Length)]),
                ];
                var array = Array.Of(shape, _ => random.Next(-9, 10));
                var tensor = Tensor.From(array.Values.Select(v => (long)v).ToArray(), shape);
                Add($"new {Layout.Text(shape)}", tensor, array);
            }
        }

        public void Step()
        {
            var (x, a) = _all[random.Next(_all.Count)];
            int rank = a.Shape.Length;
            int dim = rank == 0 ? 0 : random.Next(rank);
            switch (random.Next(13))
            {
                case 0 when rank > 0:
                    int[] order = [.. Enumerable.Range(0, rank)];
                    random.Shuffle(order);
                    long[] permuted = [.. order.Select(d => a.Shape[d])];
                    Add(
                        $"permute {string.Join(',', order)}",
                        x.Permute(order),
                        a.View(
                            permuted,
                            i => [.. Enumerable.Range(0, rank).Select(d => i[System.Array.IndexOf(order, d)])]
                        )
                    );
                    break;
                case 1 when rank > 0:
                    long start = random.NextInt64(a.Shape[dim] + 1);
                    long length = random.NextInt64(a.Shape[dim] - start + 1);
                    long given = random.Next(2) == 0 || start == 0 ? start : start - a.Shape[dim];
                    long[] narrow = [.. a.Shape];
                    narrow[dim] = length;
                    // Python has no −0: a start at the end cannot be given from the end.
                    if (given == 0)
                        given = start;
                    Add(
                        $"narrow {dim} {given} {length}",
                        x.Narrow(dim, given, length),
                        a.View(narrow, i => Moved(i, dim, start))
                    );
                    break;
                case 2 when rank < 6:
                    long times = Sizes[random.Next(Sizes.Length)];
                    Add($"expand {times}", x.Expand([times, .. a.Shape]), a.View([times, .. a.Shape], i => i[1..]));
                    break;
                case 3:
                    long[] flat = Refactored(a.Shape);
                    var reshaped = x.Reshape(flat);
                    bool shares = ReferenceEquals(reshaped, x) || reshaped.IsView;
                    Assert.True(shares || !x.IsContiguous);
                    Add($"reshape {Layout.Text(flat)}", reshaped, (shares ? a : a.Copy()) with { Shape = flat });
                    break;
                case 4:
                    var (other, b) = _all[random.Next(_all.Count)];
                    if (Fit(a.Shape, b.Shape) is not { } sum || Layout.CountOf(sum) > 5000 || sum.Length > 6)
                        return;
                    var (pa, pb) = (new Plain(a.Shape, a.Values), new Plain(b.Shape, b.Values));
                    Add("add", x + other, Array.Of(sum, i => pa.At(Plain.Index(sum, i)) + pb.At(Plain.Index(sum, i))));
                    Add(
                        "where",
                        Tensor.Where(x > other, x, other),
                        Array.Of(sum, i => Math.Max(pa.At(Plain.Index(sum, i)), pb.At(Plain.Index(sum, i))))
                    );
                    break;
                case 5 when rank > 0:
                    long[] kept = [.. a.Shape];
                    kept[dim] = 1;
                    var totals = Array.Of(kept, _ => 0);
                    for (int i = 0; i < a.Places.Length; i++)
                    {
                        long[] at = Plain.Index(a.Shape, i);
                        at[dim] = 0;
                        totals.Storage[totals.At(at)] += a.Storage[a.Places[i]];
                    }
                    Add($"sum {dim}", x.Sum(dim, keepdim: true), totals);
                    break;
                case 6 when rank > 0:
                    int parts = random.Next(1, 4);
                    Tensor[] tensors = [.. Enumerable.Repeat(x, parts)];
                    long[] joined = [.. a.Shape];
                    joined[dim] *= parts;
                    if (Layout.CountOf(joined) > 5000)
                        return;
                    Add(
                        $"cat {parts} {dim}",
                        Tensor.Cat(tensors, dim - (random.Next(2) == 0 ? rank : 0)),
                        a.View(joined, i => Wrapped(i, dim, a.Shape[dim])).Copy()
                    );
                    break;
                case 7 when rank < 6:
                    int where = random.Next(rank + 1);
                    long[] stacked = [.. a.Shape[..where], 2, .. a.Shape[where..]];
                    Add(
                        $"stack {where}",
                        Tensor.Stack([x, x], where),
                        a.View(stacked, i => [.. i[..where], .. i[(where + 1)..]]).Copy()
                    );
                    break;
                case 8:
                    var (indices, text, picked, copies) = Indices(a);
                    if (picked.Places.Length <= 5000 && picked.Shape.Length <= 8)
                        Add($"x[{text}]", x[indices], copies ? picked.Copy() : picked);
                    break;
                case 9 or 10:
                    if (a.Places.Distinct().Count() != a.Places.Length || Repeats(x))
                        return;
                    var (target, words, places, _) = Indices(a);
                    SetItem(x, target, words, places);
                    break;
                case 11:
                    if (Repeats(x))
                        return;
                    _log.Add("add_ 1");
                    x.Add_(1);
                    foreach (int place in a.Places.Distinct())
                        a.Storage[place]++;
                    break;
                default:
                    Add("clone", x.Clone(), a.Copy());
                    break;
            }
            Check();
        }

        // Values of a shape that broadcasts to what is indexed; sometimes of one.
        private void SetItem(Tensor x, TensorIndex[] target, string words, Array places)
        {
            long[] shape =
            [
                .. places
                    .Shape.Skip(random.Next(2) == 0 ? 0 : random.Next(places.Shape.Length + 1))
                    .Select(e => random.Next(3) == 0 ? 1 : e),
            ];
            if (random.Next(4) == 0)
                shape = [];
            // Of elements that are named twice it is the last one that is assigned.
            var values = Array.Of(shape, _ => random.Next(-99, 100));
            _log.Add($"x[{words}] = {Layout.Text(shape)}");
            var plain = new Plain(shape, values.Values);
            double[] assigned =
            [
                .. Enumerable.Range(0, places.Places.Length).Select(i => plain.At(Plain.Index(places.Shape, i))),
            ];
            x[target] = Tensor.From(values.Values.Select(v => (long)v).ToArray(), shape);
            for (int i = 0; i < assigned.Length; i++)
                places.Storage[places.Places[i]] = assigned[i];
        }

        private (TensorIndex[] Indices, string Text, Array Picked, bool Copies) Indices(Array a)
        {
            var indices = new List<TensorIndex>();
            // For each dimension of the view: how an index of it becomes one of the tensor's.
            var view = a;
            int at = 0;
            int left = a.Shape.Length;
            bool ellipsis = false;
            var picks = new List<(int First, int Dims, long[] Shape, long[] Flat)>();
            long[]? pickShape = null;
            while (left > 0 && random.Next(6) > 0)
            {
                long size = view.Shape[at];
                int dim = at;
                switch (random.Next(8))
                {
                    case 0 when size > 0:
                        long one = random.NextInt64(size);
                        indices.Add(random.Next(2) == 0 ? one : one - size);
                        view = view.View(
                            [.. view.Shape[..dim], .. view.Shape[(dim + 1)..]],
                            i => [.. i[..dim], one, .. i[dim..]]
                        );
                        left--;
                        continue;
                    case 1 or 2:
                        long? start = random.Next(3) == 0 ? null : random.NextInt64(-size - 2, size + 3);
                        long? stop = random.Next(3) == 0 ? null : random.NextInt64(-size - 2, size + 3);
                        long step = random.Next(2) == 0 ? 1 : random.NextInt64(1, 5);
                        indices.Add(new Slice(start, stop, step));
                        long first = Math.Clamp(start is < 0 ? start.Value + size : start ?? 0, 0, size);
                        long end = Math.Clamp(stop is < 0 ? stop.Value + size : stop ?? size, 0, size);
                        long count = 0;
                        for (long i = first; i < end; i += step)
                            count++;
                        view = view.View(
                            [.. view.Shape[..dim], count, .. view.Shape[(dim + 1)..]],
                            i => [.. i[..dim], first + i[dim] * step, .. i[(dim + 1)..]]
                        );
                        break;
                    case 3:
                        indices.Add(TensorIndex.NewAxis);
                        view = view.View(
                            [.. view.Shape[..dim], 1, .. view.Shape[dim..]],
                            i => [.. i[..dim], .. i[(dim + 1)..]]
                        );
                        at++;
                        continue;
                    case 4 when !ellipsis:
                        int rest = random.Next(left + 1);
                        // What follows must use up the rest, so whole dimensions are named.
                        indices.Add(Tensor.Ellipsis);
                        for (int i = 0; i < left - rest; i++)
                            indices.Add(Range.All);
                        at += left;
                        left = 0;
                        continue;
                    case 5 when size > 0:
                        long[] shape =
                            pickShape is null ? Small()
                            : random.Next(2) == 0 ? pickShape
                            : [];
                        pickShape ??= shape;
                        long[] flat =
                        [
                            .. Enumerable.Range(0, (int)Layout.CountOf(shape)).Select(_ => random.NextInt64(size)),
                        ];
                        indices.Add(Tensor.From(flat.Select(f => random.Next(2) == 0 ? f : f - size).ToArray(), shape));
                        picks.Add((at, 1, shape, flat));
                        break;
                    case 6 when pickShape is null or { Length: 1 }:
                        int dims = random.Next(1, Math.Min(left, 2) + 1);
                        long[] masked = view.Shape[at..(at + dims)];
                        bool[] mask =
                        [
                            .. Enumerable.Range(0, (int)Layout.CountOf(masked)).Select(_ => random.Next(2) == 0),
                        ];
                        if (pickShape is not null && mask.Count(m => m) != pickShape[0])
                            goto default;
                        indices.Add(Tensor.From(mask, masked));
                        long[] trues = [.. Enumerable.Range(0, mask.Length).Where(i => mask[i]).Select(i => (long)i)];
                        pickShape = [trues.Length];
                        picks.Add((at, dims, pickShape, trues));
                        at += dims;
                        left -= dims;
                        continue;
                    default:
                        indices.Add(Range.All);
                        break;
                }
                at++;
                left--;
            }
            string text = string.Join(", ", indices);
            if (picks.Count == 0)
                return ([.. indices], text, view, false);
            // What is picked stands where the indexed dimensions stand side by side, else in front.
            int[] all = [.. picks.SelectMany(p => Enumerable.Range(p.First, p.Dims))];
            int[] others = [.. Enumerable.Range(0, view.Shape.Length).Except(all)];
            int place = all[^1] - all[0] == all.Length - 1 ? all[0] : 0;
            long[] result =
            [
                .. others[..place].Select(d => view.Shape[d]),
                .. pickShape!,
                .. others[place..].Select(d => view.Shape[d]),
            ];
            var source = view;
            var chosen = view.View(
                result,
                i =>
                {
                    long[] from = new long[source.Shape.Length];
                    for (int o = 0; o < others.Length; o++)
                        from[others[o]] = i[o < place ? o : o + pickShape!.Length];
                    long[] pick = i[place..(place + pickShape!.Length)];
                    foreach (var (first, dims, shape, flat) in picks)
                    {
                        long index = 0;
                        for (int d = 0; d < shape.Length; d++)
                            index = index * shape[d] + pick[d];
                        long rest = flat[index];
                        for (int d = dims - 1; d >= 0; d--)
                            (from[first + d], rest) = (rest % source.Shape[first + d], rest / source.Shape[first + d]);
                    }
                    return from;
                }
            );
            return ([.. indices], text, chosen, true);
        }

        private long[] Small() =>
            random.Next(3) switch
            {
                0 => [Sizes[random.Next(Sizes.Length)]],
                1 => [2, Sizes[random.Next(Sizes.Length)]],
                _ => [],
            };

        // Another shape of the same number of elements.
        private long[] Refactored(long[] shape)
        {
            long count = Layout.CountOf(shape);
            if (count == 0)
                return [.. shape.Reverse()];
            var result = new List<long>();
            for (long f = 2; count > 1; f++)
            {
                while (count % f == 0)
                {
                    count /= f;
                    result.Insert(random.Next(result.Count + 1), f);
                }
            }
            while (result.Count > 4)
                result = [result[0] * result[1], .. result[2..]];
            return [.. result];
        }

        private static bool Repeats(Tensor x) =>
            Enumerable.Range(0, x.Rank).Any(d => x.Strides[d] == 0 && x.Shape[d] > 1);

        private static long[] Moved(long[] index, int dim, long by)
        {
            index = [.. index];
            index[dim] += by;
            return index;
        }

        private static long[] Wrapped(long[] index, int dim, long size)
        {
            index = [.. index];
            index[dim] %= size;
            return index;
        }

        private static long[]? Fit(long[] a, long[] b)
        {
            long[] result = new long[Math.Max(a.Length, b.Length)];
            for (int d = 1; d <= result.Length; d++)
            {
                long x = d <= a.Length ? a[^d] : 1;
                long y = d <= b.Length ? b[^d] : 1;
                if (x != y && x != 1 && y != 1)
                    return null;
                result[^d] = x == 1 ? y : x;
            }
            return result;
        }

        private void Add(string what, Tensor tensor, Array array)
        {
            _log.Add($"{what} -> {tensor.Layout}");
            _all.Add((tensor, array));
            if (_all.Count > 8)
                _all.RemoveAt(random.Next(8));
        }

        private void Check()
        {
            foreach (var (tensor, array) in _all)
            {
                Assert.Equal(array.Shape, tensor.Shape.ToArray());
                Assert.Equal(array.Values, tensor.ToDoubles());
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void TensorsEqualPlainArrays(int seed)
    {
        for (int program = 0; program < 100; program++)
        {
            var run = new Run(new Random(seed * 1000 + program));
            using var scope = Tensor.Scope();
            try
            {
                run.Start();
                for (int step = 0; step < 10; step++)
                    run.Step();
            }
            catch (Exception e)
            {
                Assert.Fail($"seed {seed}, program {program}:\n{run.Log}\n{e}");
            }
        }
    }
}
