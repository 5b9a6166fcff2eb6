using System.Runtime.InteropServices;
using Picograd.Algorithms.Operators;
using Picograd.Dispatch;
using TorchSharp;
using Functional = TorchSharp.torch.nn.functional;

namespace Picograd.Compare.Cases;

/// <summary>
/// What <c>compare speed</c> times of tensors: products, functions of elements, rows, moves, images, gradients, steps of training.
/// </summary>
internal static partial class OperatorContests
{
    public static IEnumerable<Contest> All() =>
        [.. Products(), .. Elementwise(), .. Rows(), .. Moves(), .. Images(), .. Gradients(), .. Steps()];

    private static IEnumerable<Contest> Products()
    {
        foreach (
            var (m, n, k) in ((long, long, long)[])
                [(32, 200, 30), (512, 512, 512), (256, 768, 3072), (4096, 64, 64), (64, 64, 4096), (1, 50257, 768)]
        )
            yield return Of(
                $"MatMul {m}x{n}x{k}",
                [
                    [m, k],
                    [k, n],
                ],
                t => t[0].MatMul(t[1]),
                t => t[0].matmul(t[1])
            );
        yield return Of(
            "matrix by vector 4096x768",
            [
                [4096, 768],
                [768],
            ],
            t => t[0].MatMul(t[1]),
            t => t[0].matmul(t[1])
        );
        yield return Of(
            "A^T B 512x512x512",
            [
                [512, 512],
                [512, 512],
            ],
            t => t[0].T.MatMul(t[1]),
            t => t[0].t().matmul(t[1])
        );
        yield return Of(
            "Linear 4x2304x768",
            [
                [4, 768],
                [2304, 768],
                [2304],
            ],
            t => F.Linear(t[0], t[1], t[2]),
            t => Functional.linear(t[0], t[1], t[2])
        );
        yield return Of(
            "Linear 1024x768x768",
            [
                [1024, 768],
                [768, 768],
                [768],
            ],
            t => F.Linear(t[0], t[1], t[2]),
            t => Functional.linear(t[0], t[1], t[2])
        );
        yield return Of(
            "MatMul 12x1024x64x1024",
            [
                [12, 1024, 64],
                [12, 64, 1024],
            ],
            t => t[0].MatMul(t[1]),
            t => t[0].matmul(t[1])
        );
        yield return Of(
            "MatMul 256x16x16x16",
            [
                [256, 16, 16],
                [256, 16, 16],
            ],
            t => t[0].MatMul(t[1]),
            t => t[0].matmul(t[1])
        );
        foreach (bool causal in (bool[])[false, true])
            yield return Of(
                $"attention 4x8x256x64{(causal ? ", causal" : "")}",
                [
                    [4, 8, 256, 64],
                    [4, 8, 256, 64],
                    [4, 8, 256, 64],
                ],
                t => F.ScaledDotProductAttention(t[0], t[1], t[2], isCausal: causal),
                t => Functional.scaled_dot_product_attention(t[0], t[1], t[2], is_casual: causal)
            );
    }

    private static IEnumerable<Contest> Elementwise()
    {
        foreach (
            long[] shape in (long[][])
                [
                    [1000],
                    [1024, 1024],
                    [4096, 4096],
                ]
        )
        {
            string size = string.Join('x', shape);
            yield return Of($"a + b {size}", [shape, shape], t => t[0] + t[1], t => t[0] + t[1]);
            yield return Of($"a * 2 + 1 {size}", [shape], t => t[0] * 2 + 1, t => t[0] * 2 + 1);
            yield return Of($"Exp {size}", [shape], t => t[0].Exp(), t => t[0].exp());
            yield return Of($"Tanh {size}", [shape], t => t[0].Tanh(), t => t[0].tanh());
            yield return Of($"Gelu {size}", [shape], t => t[0].Gelu(), t => t[0].gelu());
            yield return Of($"Relu {size}", [shape], t => t[0].Relu(), t => t[0].relu());
        }
        yield return Of(
            "a + row 1024x1024",
            [
                [1024, 1024],
                [1024],
            ],
            t => t[0] + t[1],
            t => t[0] + t[1]
        );
        yield return Of(
            "a * column 1024x1024",
            [
                [1024, 1024],
                [1024, 1],
            ],
            t => t[0] * t[1],
            t => t[0] * t[1]
        );
        yield return Of(
            "row + column 1024x1024",
            [
                [1024],
                [1024, 1],
            ],
            t => t[0] + t[1],
            t => t[0] + t[1]
        );
        yield return Of(
            "a + b^T 1024x1024",
            [
                [1024, 1024],
                [1024, 1024],
            ],
            t => t[0] + t[1].T,
            t => t[0] + t[1].t()
        );
        yield return Of(
            "a + b of every other column 1024x512",
            [
                [1024, 1024],
                [1024, 1024],
            ],
            t => Step(t[0]) + Step(t[1]),
            t => StepThere(t[0]) + StepThere(t[1])
        );
        yield return Of(
            "Where(a > 0, a, b) 1024x1024",
            [
                [1024, 1024],
                [1024, 1024],
            ],
            t => Tensor.Where(t[0] > 0, t[0], t[1]),
            t => torch.where(t[0] > 0, t[0], t[1])
        );

        static Tensor Step(Tensor t) => t[.., new Slice(step: 2)];
        static TorchTensor StepThere(TorchTensor t) =>
            t[torch.TensorIndex.Ellipsis, torch.TensorIndex.Slice(null, null, 2)];
    }

    private static IEnumerable<Contest> Rows()
    {
        foreach (
            long[] shape in (long[][])
                [
                    [1000],
                    [1024, 1024],
                    [4096, 4096],
                ]
        )
            yield return Of($"Sum {string.Join('x', shape)}", [shape], t => t[0].Sum(), t => t[0].sum());
        long[][] tall =
        [
            [4096, 768],
        ];
        yield return Of("Sum(0) 4096x768", tall, t => t[0].Sum(0), t => t[0].sum(0));
        yield return Of("Sum(1) 4096x768", tall, t => t[0].Sum(1), t => t[0].sum(1));
        yield return Of("Amax(1) 4096x768", tall, t => t[0].Amax(1), t => t[0].amax([1]));
        yield return Of("Argmax(1) 4096x768", tall, t => t[0].ArgMax(1), t => t[0].argmax(1));
        yield return Of("Var(1) 4096x768", tall, t => t[0].Var(1), t => t[0].var(1));
        foreach (var (rows, columns) in ((long, long)[])[(32, 27), (4096, 1024), (64, 50257)])
        {
            long[][] shape =
            [
                [rows, columns],
            ];
            yield return Of($"Softmax {rows}x{columns}", shape, t => t[0].Softmax(), t => t[0].softmax(-1));
            yield return Of($"LogSoftmax {rows}x{columns}", shape, t => t[0].LogSoftmax(), t => t[0].log_softmax(-1));
        }
        foreach (var (rows, columns) in ((long, long)[])[(32, 768), (4096, 768)])
            yield return Kernel(
                $"layernorm {rows}x{columns} (kernel)",
                $"layernorm rows={rows} cols={columns} affine=1",
                t => Functional.layer_norm(t[0], [columns], t[1], t[2]),
                [rows, columns],
                [columns],
                [columns]
            );
        yield return Of(
            "Cumsum(1) 1024x1024",
            [
                [1024, 1024],
            ],
            t => t[0].Cumsum(1),
            t => t[0].cumsum(1)
        );
        yield return Of(
            "Cumsum(0) 1024x1024",
            [
                [1024, 1024],
            ],
            t => t[0].Cumsum(0),
            t => t[0].cumsum(0)
        );
    }

    private static IEnumerable<Contest> Moves()
    {
        yield return Of(
            "Transpose, contiguous 2048x2048",
            [
                [2048, 2048],
            ],
            t => t[0].T.Contiguous(),
            t => t[0].t().contiguous()
        );
        yield return Of(
            "Permute(0, 2, 1, 3), contiguous 4x256x8x64",
            [
                [4, 256, 8, 64],
            ],
            t => t[0].Permute(0, 2, 1, 3).Contiguous(),
            t => t[0].permute(0, 2, 1, 3).contiguous()
        );
        yield return Of(
            "Cat(1) 2 of 1024x512",
            [
                [1024, 512],
                [1024, 512],
            ],
            t => Tensor.Cat(t, 1),
            t => torch.cat(t, 1)
        );
        long[] tokens = Tokens(8192, 4096);
        yield return new(
            "Embedding 4096x256 by 8192",
            () =>
            {
                var table = Tensor.Randn([4096, 256]).Keep();
                var places = Tensor.From<long>(tokens).Keep();
                return Contest.Freed(() => F.Embedding(table, places));
            },
            () =>
            {
                var (table, places) = (torch.nn.Embedding(4096, 256), torch.tensor(tokens));
                table.weight!.requires_grad = false;
                return Contest.FreedThere(() => table.forward(places));
            }
        );
    }

    private static IEnumerable<Contest> Images()
    {
        foreach (
            var (n, c, size, oc, k) in ((long, long, long, long, long)[])
                [(1, 3, 224, 64, 7), (8, 64, 56, 64, 3), (8, 256, 14, 256, 3), (8, 64, 56, 256, 1)]
        )
        {
            long pad = k / 2;
            yield return Kernel(
                $"conv2d {n}x{c}x{size}x{size} by {oc}x{k}x{k} (kernel)",
                $"conv2d n={n} c={c} h={size} w={size} oc={oc} kh={k} kw={k} pad={pad}",
                t => Functional.conv2d(t[0], t[1], padding: [pad, pad]),
                [n, c, size, size],
                [oc, c, k, k]
            );
        }
    }

    private static long[] Tokens(int count, long below)
    {
        var random = new Random(1);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextInt64(below))];
    }

    private static Contest Of(
        string name,
        long[][] shapes,
        Func<Tensor[], Tensor> ours,
        Func<TorchTensor[], TorchTensor> theirs
    ) =>
        new(
            name,
            () =>
            {
                var inputs = Array.ConvertAll(shapes, s => Tensor.Randn(s).Keep());
                return Contest.Freed(() => ours(inputs));
            },
            () =>
            {
                var inputs = Array.ConvertAll(shapes, s => torch.randn(s));
                return Contest.FreedThere(() => theirs(inputs));
            }
        );

    private static Contest WithGradient(
        string name,
        long[][] shapes,
        Func<Tensor[], Tensor> ours,
        Func<TorchTensor[], TorchTensor> theirs
    ) => WithGradient(name, shapes, () => ours, () => theirs);

    // Forward, and backward from a gradient of ones.
    private static Contest WithGradient(
        string name,
        long[][] shapes,
        Func<Func<Tensor[], Tensor>> ours,
        Func<Func<TorchTensor[], TorchTensor>> theirs
    ) =>
        new(
            $"{name}, forward and backward",
            () =>
            {
                var inputs = Array.ConvertAll(shapes, s => Tensor.Randn(s).Keep().RequiresGrad_());
                var run = ours();
                Tensor? ones = null;
                return () =>
                {
                    using var scope = Tensor.Scope();
                    var result = run(inputs);
                    ones ??= Tensor.OnesLike(result).Keep();
                    result.Backward(ones);
                    foreach (var input in inputs)
                        input.ZeroGrad_();
                };
            },
            () =>
            {
                var inputs = Array.ConvertAll(shapes, s => torch.randn(s, requires_grad: true));
                var run = theirs();
                TorchTensor? ones = null;
                return () =>
                {
                    using var scope = torch.NewDisposeScope();
                    var result = run(inputs);
                    ones ??= torch.ones_like(result).DetachFromDisposeScope();
                    torch.autograd.grad([result], inputs, [ones]);
                };
            }
        );

    // An operator of the library that no tensor function calls.
    private static unsafe Contest Kernel(
        string name,
        string spec,
        Func<TorchTensor[], TorchTensor> theirs,
        params long[][] shapes
    ) =>
        new(
            name,
            () =>
            {
                var problem = OperatorSpec.Parse(spec).Problem;
                var kernel = Dispatcher.Resolve(problem);
                // The kernel's own may be over symbolic extents.
                var arguments = problem.Algorithm.Arguments;
                nint[] addresses = new nint[arguments.Length];
                for (int i = 0; i < addresses.Length; i++)
                {
                    float[] values = i < shapes.Length ? Tensor.Randn(shapes[i]).ToArray<float>() : [];
                    long count = arguments[i].Shape.Aggregate(1L, (p, e) => p * ((Algorithms.IntImm)e).Value);
                    float* memory = (float*)NativeMemory.AlignedAlloc((nuint)(4 * count), 64);
                    values.AsSpan().CopyTo(new Span<float>(memory, (int)count));
                    addresses[i] = (nint)memory;
                }
                return () =>
                {
                    fixed (nint* first = addresses)
                        kernel.Run(first);
                };
            },
            () =>
            {
                var inputs = Array.ConvertAll(shapes, s => torch.randn(s));
                return Contest.FreedThere(() => theirs(inputs));
            }
        );
}
