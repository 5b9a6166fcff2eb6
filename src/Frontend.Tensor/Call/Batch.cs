using Picograd.Dispatch;

namespace Picograd.Calls;

/// <summary>
/// A function for one sample, called for a batch: <see cref="Func.Vmap(Func{Tensor, Tensor}, int, int, string)"/>. See
/// <see cref="BatchExecutor"/> for how calls are batched.
/// </summary>
internal static class Batch
{
    public static Tensor[] Map(
        Func<Tensor[], Tensor[]> function,
        Tensor[] inputs,
        int?[]? inDims,
        int[]? outDims,
        string randomness
    )
    {
        ArgumentNullException.ThrowIfNull(function);
        ArgumentNullException.ThrowIfNull(inputs);
        if (randomness is not ("error" or "same" or "different"))
            throw new ArgumentException(
                $"vmap: Only allowed values for randomness are 'error', 'different', or 'same', but got '{randomness}'.",
                nameof(randomness)
            );
        var dims = DimsOf(inputs, inDims, out long samples);
        bool together = randomness != "different" && !inputs.Any(i => Tensor.Records(i));
        if (together && Together(function, inputs, dims, samples, randomness) is { } all)
            return Placed(all, outDims);
        return OneByOne(function, inputs, dims, samples, outDims, randomness);
    }

    // The dimension of each input that counts samples; -1 for what they share.
    private static int[] DimsOf(Tensor[] inputs, int?[]? inDims, out long samples)
    {
        if (inputs.Length == 0)
            throw new ArgumentException("vmap: got no inputs. Maybe you forgot to pass them.");
        if (inDims is not null && inDims.Length != inputs.Length)
            throw new ArgumentException(
                $"vmap: in_dims has {inDims.Length} entries, but there are {inputs.Length} inputs.",
                nameof(inDims)
            );
        int[] dims = new int[inputs.Length];
        samples = -1;
        for (int i = 0; i < dims.Length; i++)
        {
            ArgumentNullException.ThrowIfNull(inputs[i], nameof(inputs));
            dims[i] = -1;
            if ((inDims is null ? 0 : inDims[i]) is not { } dim)
                continue;
            int rank = inputs[i].Rank;
            if (dim < -rank || dim >= rank)
                throw new ArgumentException(
                    $"vmap: Got in_dim={dim} for an input of shape {inputs[i].Layout}, but in_dim must be in [{-rank}, {rank})."
                );
            dims[i] = dim < 0 ? dim + rank : dim;
            long size = inputs[i].Layout.Sizes[dims[i]];
            if (samples >= 0 && size != samples)
                throw new ArgumentException(
                    $"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {samples} and {size} for the mapped dimension."
                );
            samples = size;
        }
        return samples >= 0
            ? dims
            : throw new ArgumentException("vmap: at least one input must be mapped over, but all in_dims are null.");
    }

    // Null where the function has to be called once a sample.
    private static Tensor[]? Together(
        Func<Tensor[], Tensor[]> function,
        Tensor[] inputs,
        int[] dims,
        long samples,
        string randomness
    )
    {
        var mapped = inputs.Where((_, i) => dims[i] >= 0).ToArray();
        var inner = mapped.Aggregate(mapped[0].Runtime, (r, t) => CommonDevice.Joined("vmap", r, t.Runtime));
        var runtime = new BatchedRuntime(inner, samples);
        var draws = new Draws();
        using var scope = TensorScope.Watch();
        var executor = new BatchExecutor(runtime, Executor.Current, scope);
        var arguments = new Tensor[inputs.Length];
        for (int i = 0; i < arguments.Length; i++)
        {
            if (dims[i] < 0)
            {
                arguments[i] = inputs[i];
                continue;
            }
            using var off = Tensor.NoGrad();
            var first = inputs[i].Detach().MoveDim(dims[i], 0);
            bool fits = Copying.OwnsAll(first) && ReferenceEquals(first.Runtime, inner);
            arguments[i] = runtime.SampleOf(fits ? first : Lifted(first, inner));
        }
        try
        {
            Tensor[] outputs;
            using (executor.Enter())
                outputs = function(arguments);
            ArgumentNullException.ThrowIfNull(outputs, nameof(function));
            if (draws.Any && randomness == "error")
            {
                draws.Undo();
                throw new InvalidOperationException(
                    "vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' randomness "
                        + "flags on vmap or perform the randomness operation out of vmap."
                );
            }
            // What is to be differentiated afterwards has a history of samples, which ends here.
            if (Array.Exists(outputs, o => Tensor.Records(o)))
            {
                draws.Undo();
                return null;
            }
            return [.. outputs.Select(o => executor.All(o))];
        }
        catch (BatchedReadException)
        {
            draws.Undo();
            return null;
        }
    }

    // Numbers that this thread draws from the default generator; others draw, too.
    private readonly struct Draws()
    {
        private readonly long _seed = Generator.Default.Seed;
        private readonly long _position = Generator.Default.Position;
        private readonly long _drawn = Generator.DrawnByThread;

        public bool Any => Generator.DrawnByThread != _drawn;

        public void Undo()
        {
            if (Generator.Default.Seed == _seed)
                Generator.Default.GiveBack(_position, Generator.DrawnByThread - _drawn);
        }
    }

    // In memory of its own, on the runtime of all inputs together.
    private static Tensor Lifted(Tensor t, DeviceRuntime runtime)
    {
        var result = Tensor.Allocate(Layout.Contiguous(t.Layout.Sizes), t.DType, runtime);
        Copying.Into(result, t);
        return result;
    }

    private static Tensor[] OneByOne(
        Func<Tensor[], Tensor[]> function,
        Tensor[] inputs,
        int[] dims,
        long samples,
        int[]? outDims,
        string randomness
    )
    {
        if (samples == 0)
            throw new InvalidOperationException(
                "vmap: there are no samples, and this function can only be called with one at a time."
            );
        var results = new List<Tensor>[0];
        var (seed, position) = (Generator.Default.Seed, Generator.Default.Position);
        var draws = new Draws();
        for (long s = 0; s < samples; s++)
        {
            if (randomness == "same")
                Generator.Default.Go(seed, position);
            var outputs = function([.. inputs.Select((x, i) => dims[i] < 0 ? x : x.Select(dims[i], s))]);
            ArgumentNullException.ThrowIfNull(outputs, nameof(function));
            if (randomness == "error" && draws.Any)
                throw new InvalidOperationException(
                    "vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' randomness "
                        + "flags on vmap or perform the randomness operation out of vmap."
                );
            if (s == 0)
                results = [.. outputs.Select(_ => new List<Tensor>())];
            for (int o = 0; o < results.Length; o++)
                results[o].Add(outputs[o]);
        }
        return Placed([.. results.Select(r => Tensor.Stack([.. r]))], outDims);
    }

    private static Tensor[] Placed(Tensor[] all, int[]? outDims)
    {
        if (outDims is not null && outDims.Length != all.Length && outDims.Length != 1)
            throw new ArgumentException(
                $"vmap: out_dims has {outDims.Length} entries, but the function gave {all.Length} results.",
                nameof(outDims)
            );
        for (int i = 0; i < all.Length; i++)
        {
            int dim = outDims is null ? 0 : outDims[outDims.Length == 1 ? 0 : i];
            if (dim != 0)
                all[i] = all[i].MoveDim(0, dim);
        }
        return all;
    }
}
