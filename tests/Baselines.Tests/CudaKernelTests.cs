using Picograd.Algorithms;
using Picograd.Baselines;
using Picograd.Lower.Cuda;
using Picograd.Lower.Cuda.Emulator;
using Picograd.Lower.Cuda.Native;
using Picograd.Lower.Cuda.Runtime;
using Xunit;

namespace Picograd.Tests;

/// <summary>The hand-written CUDA kernels on the emulator against plain loops, on sizes that tiles overhang.</summary>
public sealed unsafe class CudaKernelTests
{
    private static readonly Lazy<(CudaDevice? Device, string? Missing)> Emulated = new(() =>
    {
        if (!CudaEmulator.IsAvailable(out string? whyNot))
            return (null, whyNot);
        return (CudaDevice.Open(CudaLibraries.Emulated()), null);
    });

    private static CudaDevice Device
    {
        get
        {
            var (device, missing) = Emulated.Value;
            Skip.If(device is null, missing);
            return device!;
        }
    }

    public static TheoryData<string, int, int, int> Products
    {
        get
        {
            var data = new TheoryData<string, int, int, int>();
            foreach (var kernel in HandCudaKernel.Sgemm)
            {
                data.Add(kernel.Kernel, 132, 136, 20);
                if (kernel.Kernel is not ("sgemm_vectorised" or "sgemm_warptile"))
                    data.Add(kernel.Kernel, 35, 1, 67);
            }
            data.Add("gemm_bf16", 136, 144, 72);
            data.Add("gemm_bf16", 17, 8, 8);
            return data;
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Products))]
    public void A_product_of_the_ladder_is_right(string name, int m, int n, int k)
    {
        var device = Device;
        var type = name == "gemm_bf16" ? DType.BFloat16 : DType.Float32;
        using var a = new Array(device, type, (long)m * k, 1);
        using var b = new Array(device, type, (long)k * n, 2);
        using var c = new Array(device, type, (long)m * n, 3);
        var sizes = new Dictionary<string, long>
        {
            ["m"] = m,
            ["n"] = n,
            ["k"] = k,
        };
        var operatorCase = new OperatorCase("matmul", sizes, [a.Address, b.Address], [c.Address], 1) { Type = type };
        var ladder = Baseline(device).Ladder(operatorCase).ToDictionary(l => l.Name, l => l.Run);
        ladder[name]();
        double[] got = c.Read();
        double unit = type == DType.Float32 ? k * 6e-8 : 4e-3;
        for (int row = 0; row < m; row++)
        for (int column = 0; column < n; column++)
        {
            double sum = 0;
            double size = 0;
            for (int i = 0; i < k; i++)
            {
                double product = a.Values[row * k + i] * b.Values[i * n + column];
                sum += product;
                size += Math.Abs(product);
            }
            Assert.True(
                Math.Abs(sum - got[row * n + column]) <= unit * size,
                $"C[{row}, {column}]: {got[row * n + column]}, but {sum} is right"
            );
        }
    }

    [SkippableTheory]
    [InlineData("softmax", 3, 1028)]
    [InlineData("softmax", 2, 4)]
    [InlineData("layernorm", 3, 1100)]
    [InlineData("sum", 3, 2052)]
    public void A_function_of_rows_is_right(string name, int rows, int columns)
    {
        var device = Device;
        using var x = new Array(device, DType.Float32, (long)rows * columns, 1);
        using var y = new Array(device, DType.Float32, name == "sum" ? rows : (long)rows * columns, 2);
        var sizes = new Dictionary<string, long>
        {
            ["rows"] = rows,
            ["cols"] = columns,
            ["axis"] = 1,
        };
        Run(device, new OperatorCase(name, sizes, [x.Address], [y.Address], 1));
        double[] got = y.Read();
        for (int r = 0; r < rows; r++)
        {
            double[] row = x.Values[(r * columns)..((r + 1) * columns)];
            double mean = row.Average();
            double deviation = Math.Sqrt(row.Average(v => (v - mean) * (v - mean)) + 1e-5);
            double powers = row.Sum(Math.Exp);
            for (int c = 0; c < (name == "sum" ? 1 : columns); c++)
            {
                double expected = name switch
                {
                    "softmax" => Math.Exp(row[c]) / powers,
                    "layernorm" => (row[c] - mean) / deviation,
                    _ => row.Sum(),
                };
                double have = got[name == "sum" ? r : r * columns + c];
                Assert.True(
                    Math.Abs(expected - have) <= 2e-5 * Math.Max(1e-2, Math.Abs(expected)),
                    $"row {r}, {c}: {have}, but {expected} is right"
                );
            }
        }
    }

    [SkippableTheory]
    [InlineData("add")]
    [InlineData("exp")]
    [InlineData("tanh")]
    public void An_elementwise_function_is_right(string name)
    {
        const int Count = 2052;
        var device = Device;
        using var a = new Array(device, DType.Float32, Count, 1);
        using var b = new Array(device, DType.Float32, Count, 2);
        using var c = new Array(device, DType.Float32, Count, 3);
        nint[] inputs = name == "add" ? [a.Address, b.Address] : [a.Address];
        var sizes = new Dictionary<string, long> { ["n"] = Count };
        Run(device, new OperatorCase(name, sizes, inputs, [c.Address], 1));
        double[] got = c.Read();
        for (int i = 0; i < Count; i++)
        {
            double expected = name switch
            {
                "add" => a.Values[i] + b.Values[i],
                "exp" => Math.Exp(a.Values[i]),
                _ => Math.Tanh(a.Values[i]),
            };
            Assert.Equal(expected, got[i], 1e-6);
        }
    }

    [SkippableFact]
    public void A_transpose_is_right()
    {
        const int Rows = 67;
        const int Columns = 41;
        var device = Device;
        using var x = new Array(device, DType.Float32, Rows * Columns, 1);
        using var y = new Array(device, DType.Float32, Rows * Columns, 2);
        var sizes = new Dictionary<string, long> { ["rows"] = Rows, ["cols"] = Columns };
        Run(device, new OperatorCase("transpose", sizes, [x.Address], [y.Address], 1));
        double[] got = y.Read();
        for (int r = 0; r < Rows; r++)
        for (int c = 0; c < Columns; c++)
            Assert.Equal(x.Values[r * Columns + c], got[c * Rows + r]);
    }

    /// <summary>What the kernels cannot take is said to be not there, so that reports leave it out.</summary>
    [SkippableFact]
    public void Odd_rows_are_left_to_kernels_that_take_them()
    {
        var baseline = Baseline(Device);
        var sizes = new Dictionary<string, long>
        {
            ["rows"] = 3,
            ["cols"] = 7,
            ["axis"] = 1,
        };
        Assert.False(baseline.TryCreate(new OperatorCase("softmax", sizes, [256], [512], 1), out _));
        var product = new Dictionary<string, long>
        {
            ["m"] = 3,
            ["n"] = 7,
            ["k"] = 5,
        };
        var names = baseline.Ladder(new OperatorCase("matmul", product, [256, 512], [1024], 1)).Select(l => l.Name);
        Assert.Equal(["sgemm_naive", "sgemm_coalesced", "sgemm_shared", "sgemm_tile2d"], names);
    }

    /// <summary>Real machine code without spills, where NVRTC is installed.</summary>
    [SkippableTheory]
    [InlineData("sm_80")]
    [InlineData("sm_90a")]
    public void Nvrtc_compiles_them_without_spills(string architecture)
    {
        var nvrtc = Nvrtc.TryLoad(out string? whyNot);
        Skip.If(nvrtc is null, whyNot);
        foreach (var text in HandCudaKernel.All.GroupBy(k => k.Text))
        {
            var result = nvrtc!.Compile(text.First().Program().Source, text.Key, architecture);
            Assert.True(result.Succeeded, result.Log);
            Assert.All(result.Report.Kernels, k => Assert.Equal(0, k.SpillBytes));
        }
    }

    /// <summary>The libraries say what they lack, and refuse to be used without it.</summary>
    [Fact]
    public void Libraries_that_are_missing_say_how_to_get_them()
    {
        if (!CublasLt.IsAvailable)
        {
            Assert.Contains("libcublasLt", CublasLt.Missing);
            Assert.Throws<InvalidOperationException>(() =>
                CublasLt.Prepare(1, 1, 1, 1, false, false, DType.Float32, false, 0)
            );
        }
        if (!Cudnn.IsAvailable)
        {
            Assert.Contains("libcudnn", Cudnn.Missing);
            Assert.Throws<InvalidOperationException>(() => Cudnn.Softmax(1, 1, false));
        }
        Assert.Equal(CublasLt.IsAvailable, CublasLt.Missing.Length == 0);
        Assert.Equal(Cudnn.IsAvailable, Cudnn.Missing.Length == 0);
    }

    private static HandCudaBaseline Baseline(CudaDevice device) => new(device, new CudaBackend(device).Compiler);

    private static void Run(CudaDevice device, OperatorCase operatorCase)
    {
        Assert.True(Baseline(device).TryCreate(operatorCase, out var run));
        run();
    }

    /// <summary>Numbers in device memory, of both signs and never zero.</summary>
    private sealed class Array : IDisposable
    {
        private readonly CudaDevice _device;
        private readonly CudaBuffer _memory;
        private readonly DType _type;

        public Array(CudaDevice device, DType type, long count, int seed)
        {
            _device = device;
            _type = type;
            var random = new Random(seed);
            Values = new double[count];
            _memory = device.Rent(count * type.Size());
            var floats = new float[count];
            var halves = new ushort[count];
            for (int i = 0; i < count; i++)
            {
                float value = (0.1f + random.NextSingle()) * (random.Next(2) == 0 ? 1 : -1);
                halves[i] = (ushort)(BitConverter.SingleToInt32Bits(value) >> 16);
                floats[i] = type == DType.Float32 ? value : BitConverter.Int32BitsToSingle(halves[i] << 16);
                Values[i] = floats[i];
            }
            if (type == DType.Float32)
                device.Write<float>(_memory.Address, floats);
            else
                device.Write<ushort>(_memory.Address, halves);
        }

        public double[] Values { get; }

        public nint Address => _memory.Address;

        public double[] Read()
        {
            if (_type == DType.Float32)
            {
                var floats = new float[Values.Length];
                _device.Read<float>(floats, Address);
                return [.. floats.Select(f => (double)f)];
            }
            var halves = new ushort[Values.Length];
            _device.Read<ushort>(halves, Address);
            return [.. halves.Select(h => (double)BitConverter.Int32BitsToSingle(h << 16))];
        }

        public void Dispose() => _memory.Dispose();
    }
}
