using System.Globalization;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Intrinsics;

/// <summary>Micro-kernel steps of a CPU, as declarations.</summary>
public static class CpuIntrinsics
{
    /// <summary>cpu.add.1x{lanes}: adds neighbouring elements to others in memory, c[j] += a[j].</summary>
    public static Intrinsic AddRow(int lanes)
    {
        string name = string.Create(CultureInfo.InvariantCulture, $"cpu.add.1x{lanes}");
        var j = new Axis("j", lanes);
        var c = new Buffer("c", DType.Float32, [lanes], Scope.Global, [1]);
        var a = new Buffer("a", DType.Float32, [lanes], Scope.Global, [1]);
        return IntrinsicLibrary.Accumulate(name, [j], [c, a], [j.Var], a[j]);
    }

    /// <summary>cpu.sum.{length}: adds neighbouring elements to one element in memory, c += Σ a[k].</summary>
    public static Intrinsic Sum(int length)
    {
        string name = string.Create(CultureInfo.InvariantCulture, $"cpu.sum.{length}");
        var k = new Axis("k", length, AxisKind.Reduce);
        var c = new Buffer("c", DType.Float32, []);
        var a = new Buffer("a", DType.Float32, [length], Scope.Global, [1]);
        return IntrinsicLibrary.Accumulate(name, [k], [c, a], [], a[k]);
    }

    /// <summary>
    /// cpu.dot.{length}: adds the product of two vectors of neighbouring elements to one element in memory,
    /// c += Σ a[k] · b[k].
    /// </summary>
    public static Intrinsic Dot(int length)
    {
        string name = string.Create(CultureInfo.InvariantCulture, $"cpu.dot.{length}");
        var k = new Axis("k", length, AxisKind.Reduce);
        var c = new Buffer("c", DType.Float32, []);
        var a = new Buffer("a", DType.Float32, [length], Scope.Global, [1]);
        var b = new Buffer("b", DType.Float32, [length], Scope.Global, [1]);
        return IntrinsicLibrary.Accumulate(name, [k], [c, a, b], [], a[k] * b[k]);
    }

    /// <summary>
    /// cpu.fma.{rows}x{lanes}: the update of an accumulator tile in registers by an outer product,
    /// c[i, j] += a[i] · b[j], j along neighbouring elements of b and c. With one row, a is a single element and c a
    /// row.
    /// </summary>
    public static Intrinsic Fma(int rows, int lanes)
    {
        string name = string.Create(CultureInfo.InvariantCulture, $"cpu.fma.{rows}x{lanes}");
        var j = new Axis("j", lanes);
        var b = new Buffer("b", DType.Float32, [lanes], Scope.Global, [1]);
        if (rows == 1)
        {
            var row = new Buffer("c", DType.Float32, [lanes], Scope.Register, [1]);
            var scalar = new Buffer("a", DType.Float32, []);
            return IntrinsicLibrary.Accumulate(name, [j], [row, scalar, b], [j.Var], scalar.At([]) * b[j]);
        }
        var i = new Axis("i", rows);
        var c = new Buffer("c", DType.Float32, [rows, lanes], Scope.Register, [0, 1]);
        var a = new Buffer("a", DType.Float32, [rows]);
        return IntrinsicLibrary.Accumulate(name, [i, j], [c, a, b], [i.Var, j.Var], a[i] * b[j]);
    }
}
