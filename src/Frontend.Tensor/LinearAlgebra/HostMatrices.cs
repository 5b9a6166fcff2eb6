using Picograd.Algorithms;
using Picograd.Calls;
using Picograd.Dispatch;

namespace Picograd.LinearAlgebra;

/// <summary>What is computed of one matrix: its number in the batch, addresses of operands and results in float64.</summary>
internal unsafe delegate void HostMatrix(long index, double*[] inputs, double*[] outputs);

/// <summary>
/// Factorisations have no form as loop nests that would be worth tuning (a column depends on the one before), so they run here: on
/// float64 copies in main memory, matrix by matrix, rounded once to the dtype; batches by several threads. Without record.
/// </summary>
internal static unsafe class HostMatrices
{
    // Elements of a batch that are worth several threads.
    private const long Spread = 1 << 12;

    /// <param name="batch">Dimensions in front of those of a matrix, the same of all operands.</param>
    /// <param name="inputs">float32 or float64, of the batch and then of any shape.</param>
    /// <param name="results">Shapes behind the batch, and dtypes (int32 is written as int32).</param>
    /// <param name="one">What is done with one matrix; inputs are its own copies, which it may overwrite.</param>
    public static Tensor[] Run(
        ReadOnlySpan<long> batch,
        ReadOnlySpan<Tensor> inputs,
        (long[] Shape, DType Type)[] results,
        HostMatrix one
    )
    {
        var device = inputs[0].Device;
        long[] front = batch.ToArray();
        long count = Layout.CountOf(front);
        if (device.IsMeta)
            return [.. results.Select(r => Tensor.Empty([.. front, .. r.Shape], r.Type, device))];
        var from = new Tensor[inputs.Length];
        long[] sizes = new long[inputs.Length];
        for (int i = 0; i < from.Length; i++)
        {
            var here = inputs[i].OnCpu();
            from[i] =
                here.DType == DType.Float64 ? Copying.Dense(here) : Copying.DenseOf(Operator.Cast(here, DType.Float64));
            Executor.Listening?.HostReads(from[i]);
            sizes[i] = count == 0 ? 0 : from[i].NumElements / count;
        }
        var to = new Tensor[results.Length];
        long[] steps = new long[to.Length];
        for (int i = 0; i < to.Length; i++)
        {
            var type = results[i].Type.IsFloat() ? DType.Float64 : results[i].Type;
            to[i] = Tensor.Allocate([.. front, .. results[i].Shape], type, CpuRuntime.Instance);
            Executor.Listening?.HostWrites(to[i]);
            steps[i] = count == 0 ? 0 : to[i].NumElements / count * type.Size();
        }
        void Matrix(long index)
        {
            double*[] a = new double*[from.Length];
            double*[] b = new double*[to.Length];
            for (int i = 0; i < a.Length; i++)
                a[i] = (double*)from[i].Address + index * sizes[i];
            for (int i = 0; i < b.Length; i++)
                b[i] = (double*)(to[i].Address + (nint)(index * steps[i]));
            one(index, a, b);
        }
        if (count > 1 && Tensor.NumThreads > 1 && from[0].NumElements * (long)Math.Sqrt(sizes[0]) >= Spread * 16)
        {
            try
            {
                Parallel.For(0L, count, new ParallelOptions { MaxDegreeOfParallelism = Tensor.NumThreads }, Matrix);
            }
            catch (AggregateException e)
            {
                // Of several the first matrix's, as one thread would have it.
                var first = e.InnerExceptions.OfType<LinAlgException>().OrderBy(x => x.Matrix).FirstOrDefault();
                throw first ?? e.InnerExceptions[0];
            }
        }
        else
        {
            for (long i = 0; i < count; i++)
                Matrix(i);
        }
        GC.KeepAlive(from);
        return
        [
            .. to.Select(
                (t, i) => (t.DType == results[i].Type ? t : Operator.Cast(t, results[i].Type)).ToDevice(device)
            ),
        ];
    }
}
