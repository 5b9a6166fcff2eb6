namespace Picograd.Tests.Operators;

/// <summary>Reads and writes of parts of an array by index, in plain loops.</summary>
internal static class IndexReferences
{
    public static double[] Of(Given g)
    {
        long[] shape = [.. g.Spec.Shape("shape")];
        long[] dims = [.. g.Spec.List("dims")];
        long rows = g.Spec.Dim("rows");
        long before = shape[..(int)dims[0]].Aggregate(1L, (n, e) => n * e);
        long indexed = dims.Aggregate(1L, (n, d) => n * shape[d]);
        long behind = shape[(int)(dims[^1] + 1)..].Aggregate(1L, (n, e) => n * e);
        bool put = g.Spec.Name == "index_put";
        double[] result = put
            ? [.. Enumerable.Range(0, g["X"].Length).Select(i => g["X"].At(i))]
            : new double[before * rows * behind];
        for (long r = 0; r < rows; r++)
        for (long b = 0; b < before; b++)
        for (long a = 0; a < behind; a++)
        {
            long at = (b * indexed + (long)g["I"].At((int)r)) * behind + a;
            long of = (b * rows + r) * behind + a;
            if (!put)
                result[of] = g["X"].At((int)at);
            else if (g.Spec.Flag("accumulate"))
                result[at] += g["V"].At((int)of);
            else
                result[at] = g["V"].At((int)of);
        }
        return result;
    }
}
