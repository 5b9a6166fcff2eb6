using System.Runtime.CompilerServices;
using Picograd.Algorithms.Operators;
using Picograd.Dispatch;

namespace Picograd.Calls;

/// <summary>
/// Calls whose operands stand for a batch, as calls on all samples at once: operands that broadcast and dimensions that are reduced get a
/// dimension in front, rows more rows, products of matrices a batch. Where an operator has no place for one (a gain that differs from
/// sample to sample, batches of what has none) its kernel runs once a sample.
/// </summary>
/// <param name="runtime">Of the tensors that stand for a batch.</param>
/// <param name="outer">Who takes calls on all samples; null: they run.</param>
/// <param name="scope">Knows what was made since the batch began.</param>
internal sealed unsafe class BatchExecutor(BatchedRuntime runtime, Executor? outer, TensorScope scope) : Executor
{
    private readonly long _samples = runtime.Samples;

    public override void Run(scoped ref OpCall call)
    {
        outer?.Refuses("functions over a batch (vmap) are not recorded; call them outside");
        bool batched = false;
        for (int i = 0; i < call.Operands; i++)
            batched |= call[i] is { } t && IsBatched(t);
        using var inner = Enter(outer);
        if (!batched)
        {
            if (outer is null)
                call.Start();
            else
                outer.Run(ref call);
            return;
        }
        int inputs = call.Operator.Words.Inputs;
        bool copies = call.Operator.Name == "copy";
        for (int i = copies ? 1 : inputs; i < call.Operands; i++)
        {
            if (call[i] is { } output && !IsBatched(output))
                Spread(output);
        }
        if (_samples == 0)
            return;
        bool done = copies
            ? Copy(ref call)
            : call.Operator.Words.Form switch
            {
                OperandForm.Broadcast => Broadcast(ref call),
                OperandForm.Reduced => Reduce(ref call),
                OperandForm.Named when call.Operator is not OwnOperator => Rows(ref call),
                _ => false,
            };
        if (!done)
            OneByOne(ref call);
    }

    /// <summary>All samples of a result, the first dimension counting them.</summary>
    public Tensor All(Tensor t)
    {
        using var off = Tensor.NoGrad();
        return IsBatched(t) ? Physical(t) : t.Detach().Expand([_samples, .. t.Shape]);
    }

    private bool IsBatched(Tensor t) => ReferenceEquals(t.Runtime, runtime);

    private static long Stride(Tensor t) => t.Storage.Length / t.ElementSize;

    private static Tensor Over(Tensor t, Layout layout)
    {
        var all = ((BatchedMemory)t.Storage.Memory).All;
        all.AddOwner();
        return new Tensor(all, layout, t.DType, isView: true);
    }

    // With the dimension of samples in front, and then as many of size 1 as make its rank that of others.
    private Tensor Physical(Tensor t, int rank = 0)
    {
        int gap = Math.Max(0, rank - t.Rank);
        long[] ones = new long[gap];
        Array.Fill(ones, 1);
        return Over(
            t,
            new Layout(
                [_samples, .. ones, .. t.Layout.Sizes],
                [Stride(t), .. new long[gap], .. t.Layout.Strides],
                t.Layout.Offset
            )
        );
    }

    // What all samples shared becomes each sample's own, because something is written into it that differs.
    private void Spread(Tensor t)
    {
        if (!scope.Made(t.Storage))
            throw new InvalidOperationException(
                "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor `other` in extra_args that "
                    + $"has more elements than `self`: a tensor of shape {t.Layout} that the function did not make would get another "
                    + "value for each sample."
            );
        var storage = t.Storage;
        long elements = Stride(t);
        var memory = (BatchedMemory)runtime.Rent(storage.Length);
        if (elements > 0 && _samples > 0)
        {
            using var before = t.Alias(new Layout([_samples, elements], [0, 1], 0));
            memory.All.AddOwner();
            using var all = new Tensor(
                memory.All,
                new Layout([_samples, elements], [elements, 1], 0),
                t.DType,
                isView: true
            );
            Copying.Into(all, before);
        }
        int version = storage.Version;
        storage.Move(memory, runtime);
        storage.Version = version;
    }

    // Where a dense result of all samples goes: into its memory, or beside and then there.
    private Tensor Place(Tensor output, out bool beside)
    {
        beside = !(output.IsContiguous && output.Layout.Offset == 0 && output.NumElements == Stride(output));
        return beside
            ? Tensor.Allocate([_samples, .. output.Layout.Sizes], output.DType, runtime.Inner)
            : Physical(output);
    }

    private void Put(Tensor output, Tensor made)
    {
        using var place = Physical(output);
        Copying.Into(place, made);
    }

    private bool Copy(scoped ref OpCall call)
    {
        var (source, target) = (call[0]!, call[1]!);
        var lists = call.Operator.Words.Lists;
        int count = (int)(call.Head >> lists[0] & 7);
        bool dense = (call.Head >> lists[2] & 7) == 0;
        var words = call.Words;
        long[] sizes = words.Slice(1, count).ToArray();
        long[] from = words.Slice(1 + count, count).ToArray();
        long[] to = dense ? Layout.RowMajor(sizes) : words.Slice(1 + 2 * count, count).ToArray();
        using var read = IsBatched(source)
            ? Over(source, new Layout([_samples, .. sizes], [Stride(source), .. from], source.Layout.Offset))
            : source.Alias(new Layout([_samples, .. sizes], [0, .. from], source.Layout.Offset));
        using var written = Over(
            target,
            new Layout([_samples, .. sizes], [Stride(target), .. to], target.Layout.Offset)
        );
        Copying.Into(written, read);
        return true;
    }

    [SkipLocalsInit]
    private bool Broadcast(scoped ref OpCall call)
    {
        var plan = call.Operator.Words;
        int rank = 0;
        for (int i = 0; i < call.Operands; i++)
            rank = Math.Max(rank, call[i]?.Rank ?? 0);
        var next = new OpCall(call.Operator, stackalloc long[OpCall.MostWords])
        {
            Head = call.Head,
            Apart = call.Apart,
        };
        foreach (int list in plan.Lists)
            next.Head &= ~(7L << list);
        var places = new List<(Tensor Output, Tensor Made)>();
        for (int i = 0; i < call.Operands; i++)
        {
            if (call[i] is not { } t)
            {
                if (call.Cell(i) is { Bytes: > 0 } cell)
                    next.Cell((void*)cell.At, cell.Bytes);
                else
                    next.Skip();
            }
            else if (i < plan.Inputs)
            {
                // A gradient is summed over what its operand repeats in, and samples are none of that; what has no key has the
                // shape of all.
                int key = plan.Operands[i].Key;
                bool apart = key < 0 || Array.Exists(plan.Operands[plan.Inputs..], o => o.Key == key);
                next.In(
                    IsBatched(t) ? Physical(t, rank)
                    : apart ? Padded(Dense(t), rank)
                    : t
                );
            }
            else
            {
                var made = Place(t, out bool beside);
                if (beside)
                    places.Add((t, made));
                next.Place(Padded(made, rank));
            }
        }
        next.RunInto();
        foreach (var (output, made) in places)
            Put(output, made);
        return true;
    }

    // Dense, with dimensions of size 1 behind that of samples.
    private static Tensor Padded(Tensor t, int rank)
    {
        if (t.Rank == rank + 1)
            return t;
        long[] ones = new long[rank + 1 - t.Rank];
        Array.Fill(ones, 1);
        var layout = Layout.Contiguous([t.Layout.Sizes[0], .. ones, .. t.Layout.Sizes[1..]]);
        return t.Alias(layout);
    }

    // All samples of an operand, dense.
    private Tensor Dense(Tensor t)
    {
        var all = IsBatched(t)
            ? Physical(t)
            : t.Alias(new Layout([_samples, .. t.Layout.Sizes], [0, .. t.Layout.Strides], t.Layout.Offset));
        return Copying.DenseOf(all);
    }

    [SkipLocalsInit]
    private bool Reduce(scoped ref OpCall call)
    {
        var plan = call.Operator.Words;
        var words = call.Words;
        int count = (int)(call.Head >> plan.Lists[0] & 7);
        int axes = (int)(call.Head >> plan.Lists[1] & 7);
        long[] sizes;
        uint over = 0;
        if (count == 0)
        {
            sizes = [words[1], words[2]];
            over = (call.Head & (plan.AxisBits[0] | plan.AxisBits[1])) == plan.AxisBits[0] ? 1u : 2u;
        }
        else
        {
            sizes = words.Slice(3, count).ToArray();
            foreach (long axis in words.Slice(3 + count, axes))
                over |= 1u << (int)axis;
        }
        var whole = Layout.Contiguous([_samples, .. sizes]);
        over <<= 1;
        if (OpCall.ReducedDims(whole, over) > Broadcasting.MaxDims)
            return false;
        var next = new OpCall(call.Operator, stackalloc long[OpCall.MostWords]) { Head = call.Head };
        next.Head &= ~(7L << plan.Lists[0] | 7L << plan.Lists[1] | plan.AxisBits[0] | plan.AxisBits[1]);
        var places = new List<(Tensor Output, Tensor Made)>();
        for (int i = 0; i < call.Operands; i++)
        {
            if (call[i] is not { } t)
                return false;
            if (i < plan.Inputs)
            {
                next.Place(Dense(t));
                continue;
            }
            var made = Place(t, out bool beside);
            if (beside)
                places.Add((t, made));
            next.Place(made);
        }
        next.RunReduced(whole, over);
        foreach (var (output, made) in places)
            Put(output, made);
        return true;
    }

    // A dimension a key: rows get more rows, products a batch.
    [SkipLocalsInit]
    private bool Rows(scoped ref OpCall call)
    {
        var plan = call.Operator.Words;
        // Which word has room for samples: that of a leading dimension that stands for many, or of a batch.
        int slot = -1;
        for (int i = 0; i < call.Operands; i++)
        {
            if (call[i] is null)
                continue;
            int own = SlotOf(plan.Operands[i]);
            if (i >= plan.Inputs && own < 0)
                return false;
            if (own >= 0 && slot >= 0 && own != slot)
                return false;
            slot = Math.Max(slot, own);
        }
        for (int i = 0; i < plan.Inputs; i++)
        {
            if (call[i] is { } t && IsBatched(t) && SlotOf(plan.Operands[i]) < 0)
                return false;
        }
        // Along rows they are not independent.
        if (plan.AxisBits.Length > 0 && (call.Head & (plan.AxisBits[0] | plan.AxisBits[1])) != 0)
            return false;
        bool product = plan.Batch >= 0;
        var next = new OpCall(call.Operator, stackalloc long[OpCall.MostWords]) { Head = call.Head };
        foreach (var operand in plan.Operands)
            next.Head &= ~(operand.Transposed | operand.Shared);
        bool hasBatch = false;
        for (int i = 0; product && i < call.Operands; i++)
            hasBatch |= call[i] is { Rank: 3 } && plan.Operands[i].Batch >= 0;
        var places = new List<(Tensor Output, Tensor Made)>();
        for (int i = 0; i < call.Operands; i++)
        {
            if (call[i] is not { } t)
            {
                if (call.Cell(i) is { Bytes: > 0 } cell)
                    next.Cell((void*)cell.At, cell.Bytes);
                else
                    next.Skip();
                continue;
            }
            bool isInput = i < plan.Inputs;
            if (SlotOf(plan.Operands[i]) < 0)
            {
                next.In(t, call.Swapped(i));
                continue;
            }
            if (!isInput)
            {
                var made = Place(t, out bool beside);
                if (beside)
                    places.Add((t, made));
                next.Place(product && t.Rank == 3 ? Merged(made) : made);
                continue;
            }
            if (!product)
            {
                next.Place(Dense(t));
                continue;
            }
            // One matrix that all samples share stays one.
            if (!IsBatched(t) && t.Rank == 2)
                next.In(t, call.Swapped(i));
            else if (!hasBatch)
                next.In(Physical(t), call.Swapped(i));
            else
                next.In(Merged(t.Rank == 3 ? Dense(t) : Repeated(t, BatchOf(ref call))), call.Swapped(i));
        }
        next.RunInto();
        foreach (var (output, made) in places)
            Put(output, made);
        return true;
    }

    private static int SlotOf(OperandPlan operand) =>
        operand.Dims is [{ Many: true, Slot: >= 0 and var many }, ..] ? many : operand.Batch;

    private static long BatchOf(scoped ref OpCall call)
    {
        for (int i = 0; i < call.Operands; i++)
        {
            if (call[i] is { Rank: 3 } t)
                return t.Layout.Sizes[0];
        }
        return 1;
    }

    // Samples and batch as one dimension.
    private static Tensor Merged(Tensor t) =>
        t.Alias(Layout.Contiguous([t.Layout.Sizes[0] * t.Layout.Sizes[1], .. t.Layout.Sizes[2..]]));

    // A matrix a sample, as often as there is one in the batch.
    private Tensor Repeated(Tensor t, long times)
    {
        var all = Over(
            t,
            new Layout([_samples, times, .. t.Layout.Sizes], [Stride(t), 0, .. t.Layout.Strides], t.Layout.Offset)
        );
        return Copying.Dense(all);
    }

    [SkipLocalsInit]
    private void OneByOne(scoped ref OpCall call)
    {
        Span<long> words = stackalloc long[OpCall.MostWords];
        var parts = new List<Tensor>();
        for (long sample = 0; sample < _samples; sample++)
        {
            var next = new OpCall(call.Operator, words);
            for (int i = 0; i < call.Operands; i++)
            {
                if (call[i] is { } t)
                {
                    var layout = t.Layout;
                    if (IsBatched(t))
                        parts.Add(
                            t = Over(t, new Layout(layout.Sizes, layout.Strides, layout.Offset + sample * Stride(t)))
                        );
                    next.Place(t);
                }
                else if (call.Cell(i) is { Bytes: > 0 } cell)
                    next.Cell((void*)cell.At, cell.Bytes);
                else
                    next.Skip();
            }
            call.Words.CopyTo(next.Free);
            next.Head = call.Head;
            next.Run(call.Words.Length);
            foreach (var part in parts)
                part.Dispose();
            parts.Clear();
        }
    }
}
