using System.Runtime.CompilerServices;
using Picograd.Gradients;

namespace Picograd;

/// <summary>
/// PyTorch's <c>torch.func</c>: functions to functions. They compose: <c>Func.Vmap(Func.Grad(f))</c>,
/// <c>Func.Grad(Func.Grad(f))</c>, <c>Func.Jacfwd(Func.Jacrev(f))</c>. Other tensors that require a gradient, in a function or as its
/// arguments, are followed through the derivative.
/// </summary>
public static partial class Func
{
    /// <summary>The gradient of a function of one element with respect to its argument.</summary>
    /// <exception cref="ArgumentException">When called: the result has more than one element.</exception>
    [OverloadResolutionPriority(1)]
    public static Func<Tensor, Tensor> Grad(Func<Tensor, Tensor> function) =>
        x => Differentiate(i => function(i[0]), [x], [0]).Gradients[0];

    /// <summary>The gradient with respect to one of two arguments.</summary>
    public static Func<Tensor, Tensor, Tensor> Grad(Func<Tensor, Tensor, Tensor> function, int argnum = 0) =>
        (a, b) => Differentiate(i => function(i[0], i[1]), [a, b], [argnum]).Gradients[0];

    /// <summary>The gradient with respect to one of three arguments.</summary>
    public static Func<Tensor, Tensor, Tensor, Tensor> Grad(
        Func<Tensor, Tensor, Tensor, Tensor> function,
        int argnum = 0
    ) => (a, b, c) => Differentiate(i => function(i[0], i[1], i[2]), [a, b, c], [argnum]).Gradients[0];

    /// <summary>The gradients with respect to some arguments, by number; to all where none are given.</summary>
    public static Func<Tensor[], Tensor[]> Grad(Func<Tensor[], Tensor> function, params int[] argnums) =>
        inputs => Differentiate(function, inputs, argnums).Gradients;

    /// <summary>A function of one element and its gradient.</summary>
    [OverloadResolutionPriority(1)]
    public static Func<Tensor, (Tensor Value, Tensor Gradient)> ValueAndGrad(Func<Tensor, Tensor> function) =>
        x =>
        {
            var (value, gradients) = Differentiate(i => function(i[0]), [x], [0]);
            return (value, gradients[0]);
        };

    /// <summary>A function of one element and its gradient with respect to one of two arguments.</summary>
    public static Func<Tensor, Tensor, (Tensor Value, Tensor Gradient)> ValueAndGrad(
        Func<Tensor, Tensor, Tensor> function,
        int argnum = 0
    ) =>
        (a, b) =>
        {
            var (value, gradients) = Differentiate(i => function(i[0], i[1]), [a, b], [argnum]);
            return (value, gradients[0]);
        };

    /// <summary>A function of one element and its gradients with respect to some arguments, by number; to all where none are given.</summary>
    public static Func<Tensor[], (Tensor Value, Tensor[] Gradients)> ValueAndGrad(
        Func<Tensor[], Tensor> function,
        params int[] argnums
    ) => inputs => Differentiate(function, inputs, argnums);

    /// <summary>PyTorch's order: the gradient first.</summary>
    public static Func<Tensor, (Tensor Gradient, Tensor Value)> GradAndValue(Func<Tensor, Tensor> function) =>
        x =>
        {
            var (value, gradient) = ValueAndGrad(function)(x);
            return (gradient, value);
        };

    /// <summary>The result of a function, and the function from gradients of the result to gradients of the argument.</summary>
    public static (Tensor Output, Func<Tensor, Tensor> Vjp) Vjp(Func<Tensor, Tensor> function, Tensor primal)
    {
        var (outputs, vjp) = Vjp(i => [function(i[0])], [primal]);
        return (outputs[0], v => vjp([v])[0]);
    }

    /// <inheritdoc cref="Vjp(Func{Tensor, Tensor}, Tensor)"/>
    public static (Tensor[] Outputs, Func<Tensor[], Tensor[]> Vjp) Vjp(
        Func<Tensor[], Tensor[]> function,
        Tensor[] primals
    )
    {
        var (own, outputs, within) = Call(function, primals, Every(primals));
        return (
            Plain(outputs, within),
            vectors =>
            {
                using var mode = Tensor.EnableGrad();
                CheckShapes("vjp", vectors, outputs);
                bool follow = within || vectors.Any(v => v.RequiresGrad);
                return Tracking.OrZeros(Tracking.Gradients(outputs, own, vectors, follow, retainGraph: true), own);
            }
        );
    }

    /// <summary>The result of a function, and the product of its Jacobian with a tangent.</summary>
    public static (Tensor Output, Tensor Tangent) Jvp(Func<Tensor, Tensor> function, Tensor primal, Tensor tangent)
    {
        var (outputs, tangents) = Jvp(i => [function(i[0])], [primal], [tangent]);
        return (outputs[0], tangents[0]);
    }

    /// <inheritdoc cref="Jvp(Func{Tensor, Tensor}, Tensor, Tensor)"/>
    public static (Tensor[] Outputs, Tensor[] Tangents) Jvp(
        Func<Tensor[], Tensor[]> function,
        Tensor[] primals,
        Tensor[] tangents
    )
    {
        ArgumentNullException.ThrowIfNull(tangents);
        bool recorded = Tensor.IsGradEnabled && tangents.Any(t => t.RequiresGrad);
        var (own, outputs, within) = Call(function, primals, Every(primals));
        CheckShapes("jvp", tangents, primals);
        using var mode = Tensor.EnableGrad();
        var products = Tracking.Forward(outputs, own, tangents, within || recorded);
        return (Plain(outputs, within), products);
    }

    /// <summary>The Jacobian by gradients, a row an element of the result: all of them at once by <see cref="Vmap(Func{Tensor, Tensor}, int, int, string)"/>.</summary>
    public static Func<Tensor, Tensor> Jacrev(Func<Tensor, Tensor> function) =>
        x =>
        {
            var (own, outputs, within) = Call(i => [function(i[0])], [x], [true]);
            var output = outputs[0];
            long[] shape = [.. output.Shape, .. x.Shape];
            if (output.NumElements == 0 || !output.RequiresGrad)
                return Tensor.Zeros(shape, x.DType, x.Device);
            using var mode = Tensor.EnableGrad();
            Tensor Row(Tensor v) =>
                Tracking.OrZeros(Tracking.Gradients([output], own, [v], within, retainGraph: true), own)[0];
            return Vmap(v => Row(v))(Basis(output)).Reshape(shape);
        };

    /// <summary>The Jacobian by tangents, a column an element of the argument.</summary>
    public static Func<Tensor, Tensor> Jacfwd(Func<Tensor, Tensor> function) =>
        x =>
        {
            if (x.NumElements == 0)
                return Tensor.Zeros([.. function(x).Shape, .. x.Shape], x.DType, x.Device);
            var columns = Vmap(v => Jvp(function, x, v).Tangent)(Basis(x));
            long[] shape = [.. columns.Shape[1..], .. x.Shape];
            return columns.Reshape(columns.Shape[0], -1).T.Reshape(shape);
        };

    /// <summary>The Hessian of a function, whatever its shape: tangents of gradients.</summary>
    public static Func<Tensor, Tensor> Hessian(Func<Tensor, Tensor> function) => Jacfwd(Jacrev(function));

    // Each element's unit vector, shaped as the tensor.
    private static Tensor Basis(Tensor like) =>
        Tensor.Eye(like.NumElements, dtype: like.DType, device: like.Device).Reshape([like.NumElements, .. like.Shape]);

    private static bool[] Every(Tensor[] inputs) => [.. inputs.Select(i => i.DType.IsFloat())];

    private static (Tensor Value, Tensor[] Gradients) Differentiate(
        Func<Tensor[], Tensor> function,
        Tensor[] inputs,
        int[] argnums
    )
    {
        ArgumentNullException.ThrowIfNull(inputs);
        bool[] wanted = new bool[inputs.Length];
        int[] places = [.. argnums.Length == 0 ? Enumerable.Range(0, inputs.Length) : argnums];
        for (int i = 0; i < places.Length; i++)
        {
            int at = places[i] < 0 ? places[i] + inputs.Length : places[i];
            if (at < 0 || at >= inputs.Length)
                throw new ArgumentOutOfRangeException(
                    nameof(argnums),
                    $"grad: Got argnum {places[i]}, but only {inputs.Length} positional inputs."
                );
            wanted[places[i] = at] = true;
        }
        var (own, outputs, within) = Call(i => [function(i)], inputs, wanted);
        var output = outputs[0];
        if (output.NumElements != 1 || output.Rank > 0)
            throw new ArgumentException(
                $"grad: Expected the function to return a scalar tensor, but its shape is {output.Layout}; reduce it, for instance with Sum()."
            );
        if (!output.DType.IsFloat())
            throw new ArgumentException(
                $"grad: Expected the function to return floats, but they are {output.DType.Name()}."
            );
        Tensor[] by = [.. places.Select(p => own[p])];
        using var mode = Tensor.EnableGrad();
        var gradients = Tracking.OrZeros(Tracking.Gradients([output], by, [null], within), by);
        return (Plain(outputs, within)[0], gradients);
    }

    // Calls a function with tracked inputs; whether what it gives is computed from other leaves, too.
    private static (Tensor[] Inputs, Tensor[] Outputs, bool Within) Call(
        Func<Tensor[], Tensor[]> function,
        Tensor[] inputs,
        bool[] wanted
    )
    {
        ArgumentNullException.ThrowIfNull(function);
        ArgumentNullException.ThrowIfNull(inputs);
        bool outer = Tensor.IsGradEnabled;
        Tensor[] own = [.. inputs.Select((x, i) => wanted[i] ? Tracking.Enter(x) : x)];
        Tensor[] outputs;
        using (Tensor.EnableGrad())
            outputs = function(own);
        return (own, outputs, outer && Tracking.IsWithin(outputs, own));
    }

    private static Tensor[] Plain(Tensor[] outputs, bool within) =>
        within ? outputs : [.. outputs.Select(o => o.Detach())];

    private static void CheckShapes(string what, Tensor[] given, Tensor[] like)
    {
        if (given.Length != like.Length)
            throw new ArgumentException($"{what}: {given.Length} tensors were given, but there must be {like.Length}.");
        for (int i = 0; i < given.Length; i++)
        {
            if (!given[i].Layout.SameSizes(like[i].Layout))
                throw new ArgumentException(
                    $"{what}: tensor {i} has shape {given[i].Layout}, but it must have shape {like[i].Layout}."
                );
        }
    }
}
