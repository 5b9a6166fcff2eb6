namespace Picograd.Tests;

/// <summary>
/// What tensors, views, changes in place and gradients mean, written a second time and without any of the library: numbers
/// in float64, views as lists of places in a memory, and a tape of states. Every change of a memory makes a new state of
/// all of it; backwards the states are gone through from the last to the first. What is refused is what PyTorch refuses.
/// </summary>
internal sealed class IndexTape
{
    private readonly List<State> _states = [];

    /// <summary>Whether operators are recorded.</summary>
    public bool Recording { get; set; } = true;

    public sealed class Memory(double[] values)
    {
        public double[] Values { get; } = [.. values];

        /// <summary>Raised by every change.</summary>
        public int Version { get; set; }

        /// <summary>Saved by an operator, so that programs must not change it any more.</summary>
        public bool Frozen { get; set; }
    }

    /// <summary>A memory's history: what a tensor that is no view has, and its views with it.</summary>
    public sealed class Owner(Memory memory)
    {
        public Memory Memory { get; } = memory;

        /// <summary>Null where no gradient is wanted.</summary>
        public State? State { get; set; }

        /// <summary>A leaf that wants a gradient.</summary>
        public bool IsLeaf { get; init; }
    }

    /// <summary>The gradient of a memory as it was at some time, and what to do with it.</summary>
    public sealed class State(int size, Action<State>? backward)
    {
        public double[] Grad { get; } = new double[size];

        /// <summary>Sum of the magnitudes of what was added, for tolerances.</summary>
        public double[] Weight { get; } = new double[size];

        public bool Reached { get; set; }

        public void Add(int place, double grad)
        {
            Grad[place] += grad;
            Weight[place] += Math.Abs(grad);
        }

        public void Backward() => backward?.Invoke(this);
    }

    /// <summary>A tensor: places in the memory of an owner.</summary>
    /// <param name="Seen">Of a view made without recording: the memory's version then.</param>
    public sealed record View(Owner Owner, int[] Places, long[] Shape, int? Seen = null)
    {
        public double[] Values => [.. Places.Select(p => Owner.Memory.Values[p])];

        public bool Overlaps => Places.Distinct().Count() < Places.Length;

        public bool IsStale => Seen is { } seen && seen != Owner.Memory.Version && Owner.State is not null;

        /// <summary>Where a gradient goes; null where none does.</summary>
        public State? Target => Seen is null ? Owner.State : null;
    }

    public View Leaf(double[] values, long[] shape, bool requiresGrad)
    {
        var owner = new Owner(new Memory(values)) { IsLeaf = requiresGrad };
        if (requiresGrad)
            _states.Add(owner.State = new State(values.Length, null));
        return new View(owner, [.. Enumerable.Range(0, values.Length)], shape);
    }

    /// <summary>A new tensor computed from others; the derivative gets the gradient and adds to the inputs' elements.</summary>
    public View Result(
        double[] values,
        long[] shape,
        View[] inputs,
        Action<double[], Action<int, int, double>> derivative
    )
    {
        var result = new View(new Owner(new Memory(values)), [.. Enumerable.Range(0, values.Length)], shape);
        result.Owner.State = Record(values.Length, inputs, state => state.Grad, derivative);
        return result;
    }

    /// <summary>A view; made without recording it remembers that.</summary>
    public View Take(View of, int[] places, long[] shape) =>
        new(of.Owner, places, shape, !Recording || of.Seen is not null ? of.Owner.Memory.Version : null);

    public static View Detach(View of) => new(new Owner(of.Owner.Memory), of.Places, of.Shape);

    /// <summary>Overwrites a tensor's elements by what was computed from inputs.</summary>
    public void Write(
        View target,
        double[] values,
        View[] inputs,
        Action<double[], Action<int, int, double>> derivative
    )
    {
        var owner = target.Owner;
        var before = owner.State;
        bool records = Recording && (target.Target is not null || inputs.Any(i => i.Target is not null));
        if (records)
        {
            int size = owner.Memory.Values.Length;
            var rest = Enumerable.Range(0, size).Except(target.Places).ToArray();
            var targets = inputs.Select(i => (i.Target, i.Places)).ToArray();
            var next = new State(
                size,
                state =>
                {
                    Reach(before);
                    foreach (int place in rest)
                        before?.Add(place, state.Grad[place]);
                    Send(targets, [.. target.Places.Select(p => state.Grad[p])], derivative);
                }
            );
            _states.Add(next);
            owner.State = next;
        }
        for (int i = 0; i < values.Length; i++)
            owner.Memory.Values[target.Places[i]] = values[i];
        owner.Memory.Version++;
    }

    public void Backward(View root, double[] gradient)
    {
        Reach(root.Target);
        for (int i = 0; i < gradient.Length; i++)
            root.Target!.Add(root.Places[i], gradient[i]);
        foreach (var state in Enumerable.Reverse(_states))
        {
            if (state.Reached)
                state.Backward();
        }
    }

    private State? Record(
        int size,
        View[] inputs,
        Func<State, double[]> gradient,
        Action<double[], Action<int, int, double>> derivative
    )
    {
        if (!Recording || inputs.All(i => i.Target is null))
            return null;
        var targets = inputs.Select(i => (i.Target, i.Places)).ToArray();
        var state = new State(size, s => Send(targets, gradient(s), derivative));
        _states.Add(state);
        return state;
    }

    private static void Send(
        (State? State, int[] Places)[] targets,
        double[] gradient,
        Action<double[], Action<int, int, double>> derivative
    )
    {
        foreach (var (state, _) in targets)
            Reach(state);
        derivative(gradient, (input, element, g) => targets[input].State?.Add(targets[input].Places[element], g));
    }

    private static void Reach(State? state)
    {
        if (state is not null)
            state.Reached = true;
    }
}
