namespace Picograd;

public static partial class F
{
    /// <summary>All elements of some parameters one after the other (PyTorch's nn.utils.parameters_to_vector).</summary>
    /// <exception cref="ArgumentException">There are none.</exception>
    public static Tensor ParametersToVector(IEnumerable<Tensor> parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        Tensor[] flat = [.. parameters.Select(p => p.Reshape(-1))];
        return flat.Length > 0
            ? Tensor.Cat(flat)
            : throw new ArgumentException("parameters_to_vector: there are no parameters.", nameof(parameters));
    }

    /// <summary>Writes the elements of a vector into parameters, one after the other (PyTorch's nn.utils.vector_to_parameters).</summary>
    /// <exception cref="ArgumentException">It has not as many as these.</exception>
    public static void VectorToParameters(Tensor vector, IEnumerable<Tensor> parameters)
    {
        ArgumentNullException.ThrowIfNull(vector);
        ArgumentNullException.ThrowIfNull(parameters);
        Tensor[] all = [.. parameters];
        long count = all.Sum(p => p.NumElements);
        if (vector.Rank != 1 || vector.NumElements != count)
            throw new ArgumentException(
                $"vector_to_parameters: the vector has the shape {vector.Layout}, but must have one dimension of {count} elements.",
                nameof(vector)
            );
        using var off = Tensor.NoGrad();
        long at = 0;
        foreach (var parameter in all)
        {
            parameter.Detach().Copy_(vector.Detach().Narrow(0, at, parameter.NumElements).Reshape(parameter.Shape));
            at += parameter.NumElements;
        }
    }
}
