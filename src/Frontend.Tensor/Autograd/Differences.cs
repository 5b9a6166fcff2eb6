using System.Globalization;
using Picograd.Algorithms;

namespace Picograd.Gradients;

/// <summary>Gradients against central differences.</summary>
internal static class Differences
{
    /// <summary>The outputs that require a gradient.</summary>
    public static Tensor[] OutputsOf(Func<Tensor[], Tensor[]> function, Tensor[] inputs) =>
        [.. function(inputs).Where(o => o is not null && o.RequiresGrad)];

    /// <exception cref="GradCheckException">They do not agree.</exception>
    public static void Check(
        Func<Tensor[], Tensor[]> function,
        Tensor[] inputs,
        double eps,
        double atol,
        double rtol,
        double nondetTol
    )
    {
        var all = function(inputs);
        int[] places = [.. Enumerable.Range(0, all.Length).Where(o => all[o] is not null && all[o].DType.IsFloat())];
        var wanted = inputs.Where(i => i.RequiresGrad).ToArray();
        // First, since inputs are changed in place for them.
        var differences = new Dictionary<(int, int), double[]>();
        foreach (int o in places)
        {
            for (int i = 0; i < wanted.Length; i++)
                differences[(o, i)] = Numerical(function, inputs, wanted[i], o, eps);
        }
        all = function(inputs);
        var outputs = places.Select(o => all[o]).ToArray();
        for (int o = 0; o < outputs.Length; o++)
        {
            var analytical = outputs[o].RequiresGrad ? Analytical(outputs[o], wanted) : null;
            var again = analytical is null ? null : Analytical(outputs[o], wanted);
            for (int i = 0; i < wanted.Length; i++)
            {
                int input = Array.FindIndex(inputs, t => ReferenceEquals(t, wanted[i]));
                double[] numerical = differences[(places[o], i)];
                int count = (int)outputs[o].NumElements;
                for (int at = 0; at < numerical.Length; at++)
                {
                    double found = analytical?[i][at] ?? 0;
                    var (row, column) = (at / Math.Max(count, 1), at % Math.Max(count, 1));
                    string where =
                        $"output {places[o]}{Index(outputs[o].Layout, column)} with respect to input {input}{Index(wanted[i].Layout, row)}";
                    if (again is not null && Math.Abs(again[i][at] - found) > nondetTol)
                        throw new GradCheckException(
                            $"Backward is not reentrant, i.e., running backward with same input and grad_output multiple times gives "
                                + $"different values: {Text(found)} and {Text(again[i][at])} for {where}, more than nondetTol {nondetTol} apart."
                        );
                    if (Math.Abs(found - numerical[at]) <= atol + rtol * Math.Abs(numerical[at]))
                        continue;
                    if (found.Equals(numerical[at]))
                        continue;
                    throw new GradCheckException(
                        $"Jacobian mismatch for output {places[o]} with respect to input {input}: at {where} numerical: "
                            + $"{Text(numerical[at])}, analytical: {Text(found)}"
                            + (
                                wanted[i].DType == DType.Float64
                                    ? "."
                                    : $"; the input is {wanted[i].DType.Name()}, and gradcheck will likely fail where inputs are not float64."
                            )
                    );
                }
            }
        }
    }

    // [input element · outputs + output element], for each input.
    private static double[][] Analytical(Tensor output, Tensor[] inputs)
    {
        int count = (int)output.NumElements;
        double[][] jacobians = [.. inputs.Select(i => new double[i.NumElements * count])];
        for (int column = 0; column < count; column++)
        {
            double[] one = new double[count];
            one[column] = 1;
            var seed = Tensor.From(one, output.Shape).To(output.DType).ToDevice(output.Device);
            var grads = GradientsOf.Inputs([output], inputs, [seed], true, createGraph: false, allowUnused: true);
            for (int i = 0; i < inputs.Length; i++)
            {
                if (grads[i] is not { } grad)
                    continue;
                double[] values = grad.ToDoubles();
                for (int row = 0; row < values.Length; row++)
                    jacobians[i][row * count + column] = values[row];
            }
        }
        return jacobians;
    }

    private static double[] Numerical(
        Func<Tensor[], Tensor[]> function,
        Tensor[] inputs,
        Tensor input,
        int output,
        double eps
    )
    {
        using var off = Tensor.NoGrad();
        double[] values = input.ToDoubles();
        var jacobian = new List<double>();
        var layout = input.Layout;
        for (int row = 0; row < values.Length; row++)
        {
            long place = layout.Offset;
            long left = row;
            for (int d = layout.Rank - 1; d >= 0; d--)
            {
                place += left % layout.Sizes[d] * layout.Strides[d];
                left /= layout.Sizes[d];
            }
            using var element = input.Alias(new Layout([], [], place));
            element.Fill_(values[row] + eps);
            double[] above = function(inputs)[output].ToDoubles();
            element.Fill_(values[row] - eps);
            double[] below = function(inputs)[output].ToDoubles();
            element.Fill_(values[row]);
            for (int column = 0; column < above.Length; column++)
                jacobian.Add((above[column] - below[column]) / (2 * eps));
        }
        return [.. jacobian];
    }

    private static string Index(Layout layout, long at)
    {
        long[] index = new long[layout.Rank];
        for (int d = layout.Rank - 1; d >= 0; d--)
        {
            index[d] = at % Math.Max(1, layout.Sizes[d]);
            at /= Math.Max(1, layout.Sizes[d]);
        }
        return Layout.Text(index);
    }

    private static string Text(double value) => value.ToString("G9", CultureInfo.InvariantCulture);
}
