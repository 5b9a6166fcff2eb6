using Picograd.Gradients;

namespace Picograd;

public static partial class Autograd
{
    /// <summary>PyTorch's <c>torch.autograd.functional</c>: derivatives of functions at a point.</summary>
    public static class Functional
    {
        /// <summary>
        /// The Jacobian: for each output and input a tensor whose shape is that of the output, then that of the input.
        /// </summary>
        /// <param name="function">Called once.</param>
        /// <param name="inputs">Where.</param>
        /// <param name="createGraph">Record it, so that it can be differentiated.</param>
        /// <param name="strict">Refuse outputs that do not depend on an input, whose Jacobian is 0 otherwise.</param>
        /// <exception cref="InvalidOperationException">See <paramref name="strict"/>.</exception>
        public static Tensor[][] Jacobian(
            Func<Tensor[], Tensor[]> function,
            Tensor[] inputs,
            bool createGraph = false,
            bool strict = false
        )
        {
            var (own, outputs) = Start("jacobian", function, inputs, createGraph, strict);
            using var mode = Tensor.EnableGrad();
            var jacobian = new Tensor[outputs.Length][];
            for (int o = 0; o < outputs.Length; o++)
            {
                var output = outputs[o];
                var rows = new List<Tensor>[own.Length];
                for (int i = 0; i < own.Length; i++)
                    rows[i] = [];
                var flat = output.Reshape(-1);
                for (long at = 0; at < flat.NumElements; at++)
                {
                    var found = Tracking.Gradients([flat[at]], own, [null], createGraph, retainGraph: true);
                    for (int i = 0; i < own.Length; i++)
                    {
                        if (strict && found[i] is null)
                            throw Independent("jacobian", o, i);
                        rows[i].Add(found[i] ?? Tensor.ZerosLike(own[i]));
                    }
                }
                jacobian[o] = new Tensor[own.Length];
                for (int i = 0; i < own.Length; i++)
                {
                    long[] shape = [.. output.Shape, .. own[i].Shape];
                    jacobian[o][i] =
                        rows[i].Count == 0
                            ? Tensor.Zeros(shape, own[i].DType, own[i].Device)
                            : Tensor.Stack([.. rows[i]]).Reshape(shape);
                }
            }
            return jacobian;
        }

        /// <inheritdoc cref="Jacobian(Func{Tensor[], Tensor[]}, Tensor[], bool, bool)"/>
        public static Tensor[] Jacobian(
            Func<Tensor[], Tensor> function,
            Tensor[] inputs,
            bool createGraph = false,
            bool strict = false
        ) => Jacobian(i => [function(i)], inputs, createGraph, strict)[0];

        /// <inheritdoc cref="Jacobian(Func{Tensor[], Tensor[]}, Tensor[], bool, bool)"/>
        public static Tensor Jacobian(
            Func<Tensor, Tensor> function,
            Tensor input,
            bool createGraph = false,
            bool strict = false
        ) => Jacobian(i => [function(i[0])], [input], createGraph, strict)[0][0];

        /// <summary>The Hessian of a function of one element: for each pair of inputs a tensor whose shape is that of both.</summary>
        /// <exception cref="ArgumentException">The result has more than one element.</exception>
        public static Tensor[][] Hessian(
            Func<Tensor[], Tensor> function,
            Tensor[] inputs,
            bool createGraph = false,
            bool strict = false
        ) =>
            Jacobian(
                i => Jacobian(j => [One("hessian", function(j))], i, createGraph: true, strict)[0],
                inputs,
                createGraph,
                strict
            );

        /// <inheritdoc cref="Hessian(Func{Tensor[], Tensor}, Tensor[], bool, bool)"/>
        public static Tensor Hessian(
            Func<Tensor, Tensor> function,
            Tensor input,
            bool createGraph = false,
            bool strict = false
        ) => Hessian(i => function(i[0]), [input], createGraph, strict)[0][0];

        /// <summary>The function, and the product of a vector with its Jacobian: Σ v · ∂outputs/∂input for each input.</summary>
        /// <param name="function">Called once.</param>
        /// <param name="inputs">Where.</param>
        /// <param name="v">Shaped as the outputs; may be missing where there is one output of one element.</param>
        /// <param name="createGraph">Record both.</param>
        /// <param name="strict">Refuse what does not depend on an input.</param>
        public static (Tensor[] Outputs, Tensor[] Vjp) Vjp(
            Func<Tensor[], Tensor[]> function,
            Tensor[] inputs,
            Tensor[]? v = null,
            bool createGraph = false,
            bool strict = false
        )
        {
            var (own, outputs) = Start("vjp", function, inputs, createGraph, strict);
            using var mode = Tensor.EnableGrad();
            var weights = Vectors("vjp", v, outputs, "the output");
            var found = Tracking.Gradients(outputs, own, weights, createGraph);
            return (Done(outputs, createGraph), Found("vjp", found, own, strict));
        }

        /// <inheritdoc cref="Vjp(Func{Tensor[], Tensor[]}, Tensor[], Tensor[], bool, bool)"/>
        public static (Tensor Output, Tensor Vjp) Vjp(
            Func<Tensor, Tensor> function,
            Tensor input,
            Tensor? v = null,
            bool createGraph = false,
            bool strict = false
        )
        {
            var (outputs, vjp) = Vjp(i => [function(i[0])], [input], v is null ? null : [v], createGraph, strict);
            return (outputs[0], vjp[0]);
        }

        /// <summary>
        /// The function, and the product of its Jacobian with a vector: Σ ∂output/∂input · v for each output. From the derivative of
        /// the gradient with respect to what it is given.
        /// </summary>
        /// <param name="function">Called once.</param>
        /// <param name="inputs">Where.</param>
        /// <param name="v">Shaped as the inputs; may be missing where there is one input of one element.</param>
        /// <param name="createGraph">Record both.</param>
        /// <param name="strict">Refuse what does not depend on an input.</param>
        public static (Tensor[] Outputs, Tensor[] Jvp) Jvp(
            Func<Tensor[], Tensor[]> function,
            Tensor[] inputs,
            Tensor[]? v = null,
            bool createGraph = false,
            bool strict = false
        )
        {
            var (own, outputs) = Start("jvp", function, inputs, createGraph, strict);
            using var mode = Tensor.EnableGrad();
            var tangents = Vectors("jvp", v, own, "the input");
            return (Done(outputs, createGraph), Tracking.Forward(outputs, own, tangents, createGraph));
        }

        /// <inheritdoc cref="Jvp(Func{Tensor[], Tensor[]}, Tensor[], Tensor[], bool, bool)"/>
        public static (Tensor Output, Tensor Jvp) Jvp(
            Func<Tensor, Tensor> function,
            Tensor input,
            Tensor? v = null,
            bool createGraph = false,
            bool strict = false
        )
        {
            var (outputs, jvp) = Jvp(i => [function(i[0])], [input], v is null ? null : [v], createGraph, strict);
            return (outputs[0], jvp[0]);
        }

        /// <summary>A function of one element, and the product of a vector with its Hessian.</summary>
        public static (Tensor Output, Tensor[] Vhp) Vhp(
            Func<Tensor[], Tensor> function,
            Tensor[] inputs,
            Tensor[]? v = null,
            bool createGraph = false,
            bool strict = false
        )
        {
            var (own, outputs) = Start("vhp", i => [One("vhp", function(i))], inputs, createGraph, strict);
            using var mode = Tensor.EnableGrad();
            var vectors = Vectors("vhp", v, own, "the input");
            var first = Found("vhp", Tracking.Gradients(outputs, own, [null], createGraph: true), own, strict);
            var found = Tracking.Gradients(first, own, vectors, createGraph);
            return (Done(outputs, createGraph)[0], Found("vhp", found, own, strict));
        }

        /// <inheritdoc cref="Vhp(Func{Tensor[], Tensor}, Tensor[], Tensor[], bool, bool)"/>
        public static (Tensor Output, Tensor Vhp) Vhp(
            Func<Tensor, Tensor> function,
            Tensor input,
            Tensor? v = null,
            bool createGraph = false,
            bool strict = false
        )
        {
            var (output, vhp) = Vhp(i => function(i[0]), [input], v is null ? null : [v], createGraph, strict);
            return (output, vhp[0]);
        }

        /// <summary>A function of one element, and the product of its Hessian with a vector.</summary>
        public static (Tensor Output, Tensor[] Hvp) Hvp(
            Func<Tensor[], Tensor> function,
            Tensor[] inputs,
            Tensor[]? v = null,
            bool createGraph = false,
            bool strict = false
        )
        {
            var (own, outputs) = Start("hvp", i => [One("hvp", function(i))], inputs, createGraph, strict);
            using var mode = Tensor.EnableGrad();
            var vectors = Vectors("hvp", v, own, "the input");
            var first = Found("hvp", Tracking.Gradients(outputs, own, [null], createGraph: true), own, strict);
            return (Done(outputs, createGraph)[0], Tracking.Forward(first, own, vectors, createGraph));
        }

        /// <inheritdoc cref="Hvp(Func{Tensor[], Tensor}, Tensor[], Tensor[], bool, bool)"/>
        public static (Tensor Output, Tensor Hvp) Hvp(
            Func<Tensor, Tensor> function,
            Tensor input,
            Tensor? v = null,
            bool createGraph = false,
            bool strict = false
        )
        {
            var (output, hvp) = Hvp(i => function(i[0]), [input], v is null ? null : [v], createGraph, strict);
            return (output, hvp[0]);
        }

        private static (Tensor[] Inputs, Tensor[] Outputs) Start(
            string what,
            Func<Tensor[], Tensor[]> function,
            Tensor[] inputs,
            bool createGraph,
            bool strict
        )
        {
            ArgumentNullException.ThrowIfNull(function);
            ArgumentNullException.ThrowIfNull(inputs);
            using var mode = Tensor.EnableGrad();
            Tensor[] own = [.. inputs.Select(i => createGraph ? Tracking.Enter(i) : Tracking.Enter(i.Detach()))];
            var outputs = function(own);
            ArgumentNullException.ThrowIfNull(outputs, nameof(function));
            for (int o = 0; strict && o < outputs.Length; o++)
            {
                if (!outputs[o].RequiresGrad)
                    throw new InvalidOperationException(
                        $"{what}: Output {o} of the user-provided function does not require gradients. The outputs must be computed in "
                            + "a differentiable manner from the input when running in strict mode."
                    );
            }
            return (own, outputs);
        }

        private static Tensor One(string what, Tensor output) =>
            output.NumElements == 1
                ? output.Rank == 0
                    ? output
                    : output.Reshape()
                : throw new ArgumentException(
                    $"{what}: The Tensor returned by the function given to {what} should contain a single element, but its shape is "
                        + $"{output.Layout}."
                );

        private static Tensor[] Vectors(string what, Tensor[]? given, Tensor[] like, string whose)
        {
            if (given is null)
            {
                if (like is not [{ NumElements: 1 }])
                    throw new ArgumentException(
                        $"{what}: The vector v can only be None if {whose} of the user-provided function is a single Tensor with a "
                            + "single element."
                    );
                return [Tensor.OnesLike(like[0])];
            }
            if (given.Length != like.Length)
                throw new ArgumentException(
                    $"{what}: v has {given.Length} tensors, but there are {like.Length} of {whose}."
                );
            for (int i = 0; i < given.Length; i++)
            {
                if (!given[i].Layout.SameSizes(like[i].Layout))
                    throw new ArgumentException(
                        $"{what}: Entry {i} in v has invalid size: should be {like[i].Layout} but got {given[i].Layout}."
                    );
            }
            return given;
        }

        private static Tensor[] Found(string what, Tensor?[] found, Tensor[] own, bool strict)
        {
            if (strict && Array.FindIndex(found, f => f is null) is >= 0 and var missing)
                throw Independent(what, 0, missing);
            return Tracking.OrZeros(found, own);
        }

        private static Tensor[] Done(Tensor[] outputs, bool createGraph) =>
            createGraph ? outputs : [.. outputs.Select(o => o.Detach())];

        private static InvalidOperationException Independent(string what, int output, int input) =>
            new(
                $"{what}: Output {output} of the user-provided function is independent of input {input}. This is not allowed in "
                    + "strict mode."
            );
    }
}
