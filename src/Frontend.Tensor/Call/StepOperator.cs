using System.Runtime.CompilerServices;
using Picograd.Algorithms;
using Picograd.Dispatch;

namespace Picograd.Calls;

/// <summary>
/// The step of an optimizer for one parameter: one kernel that reads the parameter, its gradient and its state and writes what
/// replaces them. Of settings that are numbers nothing is compiled.
/// </summary>
internal sealed class StepOperator(string name) : Operator(name)
{
    // The parameter, then states behind parameter and gradient.
    private static readonly byte[][] Replaced =
    [
        .. Enumerable
            .Range(0, 6)
            .Select(states =>
                new byte[] { 0 }
                    .Concat(Enumerable.Range(2, states).Select(i => (byte)i))
                    .ToArray()
            ),
    ];

    /// <summary>
    /// Replaces a parameter and its state, with the next <see cref="StepMemory.Run"/>: on a processor all parameters at once. Else, and
    /// where the call is written down, the kernel writes to spare memory, which then changes places with what it replaces, since
    /// schedules may read an element again after its result is stored; so a step makes no object.
    /// </summary>
    /// <param name="parameter">What is trained.</param>
    /// <param name="grad">Its gradient.</param>
    /// <param name="state">The rest of what is changed.</param>
    /// <param name="settings">Numbers, the operator's last input.</param>
    /// <param name="spares">Where memory of the same lengths comes from.</param>
    [SkipLocalsInit]
    public unsafe void Update(
        Tensor parameter,
        Tensor grad,
        ReadOnlySpan<Tensor> state,
        ReadOnlySpan<double> settings,
        StepMemory spares
    )
    {
        // Of nothing there is nothing to replace.
        if (parameter.NumElements == 0)
            return;
        var type = parameter.DType.Compute();
        byte* cells = stackalloc byte[settings.Length * sizeof(double)];
        for (int i = 0; i < settings.Length; i++)
            ((Scalar)settings[i]).Store(type, cells + i * type.Size());
        if (Executor.Listening?.TakesNumbers(this, new(cells, settings.Length * type.Size())) == true)
            return;
        var call = new OpCall(this, stackalloc long[OpCall.MostWords]);
        call.In(parameter);
        call.In(grad);
        foreach (var tensor in state)
            call.In(tensor);
        call.Cell(cells, settings.Length * type.Size());
        if (
            IsDense(parameter, grad, state)
            && call.TryAddTo(spares.Calls, parameter.NumElements, Replaced[state.Length])
        )
            return;
        int first = call.Operands;
        for (int i = 0; i <= state.Length; i++)
            call.Place(spares.Take(parameter, i));
        call.RunInto();
        spares.Replace(parameter, call[first]!);
        for (int i = 0; i < state.Length; i++)
            spares.Replace(state[i], call[first + 1 + i]!);
    }

    private static bool IsDense(Tensor parameter, Tensor grad, ReadOnlySpan<Tensor> state)
    {
        bool dense = parameter.IsContiguous && grad.IsContiguous && grad.NumElements == parameter.NumElements;
        foreach (var tensor in state)
            dense &=
                tensor.IsContiguous && tensor.NumElements == parameter.NumElements && tensor.DType == parameter.DType;
        return dense && grad.DType == parameter.DType && state.Length < Replaced.Length;
    }
}

/// <summary>
/// Tensors whose memory takes the results of steps, a few for each number of elements. They have memory only while a step needs it.
/// </summary>
internal sealed class StepMemory
{
    private readonly Dictionary<(long, DType, DeviceRuntime), List<Tensor>> _tensors = [];

    /// <summary>Steps that are still to run.</summary>
    public InPlaceCalls Calls { get; } = new();

    /// <summary>Runs the steps that were put off.</summary>
    public void Run() => Calls.Run();

    /// <summary>A dense vector of a parameter's elements, number <paramref name="place"/> of those that one step needs.</summary>
    public Tensor Take(Tensor like, int place)
    {
        var key = (like.NumElements, like.DType, like.Runtime);
        if (!_tensors.TryGetValue(key, out var known))
            _tensors[key] = known = [];
        if (place < known.Count)
        {
            known[place].Storage.Rent(like.NumElements * like.ElementSize);
            return known[place];
        }
        // It lives as long as the optimizer, whatever scope it is made in.
        var made = Tensor.Allocate([like.NumElements], like.DType, like.Runtime).Keep();
        known.Add(made);
        return made;
    }

    /// <summary>Puts contents in the place of a tensor's elements: memory changes places where a tensor is all of it.</summary>
    public void Replace(Tensor target, Tensor values)
    {
        // Somebody who wrote the call down will look at what it wrote.
        if (values.Storage.Owners > 1)
        {
            Copying.Into(target, values.Alias(Layout.Contiguous(target.Layout.Sizes)));
            _tensors[(target.NumElements, target.DType, target.Runtime)].Remove(values);
            return;
        }
        if (Copying.OwnsAll(target))
            target.Storage.Exchange(values.Storage);
        else
            Copying.Into(target, values.Alias(Layout.Contiguous(target.Layout.Sizes)));
        values.Storage.Return();
    }
}
