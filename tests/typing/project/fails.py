"""What a user must not write: every marked line is an error, and no other.

A mark that names a mistake (`# error: option qkv_bias`) asks for its one-line message as well.
"""

from typedvision import configure, create_backbone, create_model, models, parameter_groups
from typedvision.config.mobile.squeeze_excite import SqueezeExcite
from typedvision.families.resnet.config import BlockArgs, ResNetConfig

# The precise door.
models.resnet50(qkv_bias=True)  # error: option qkv_bias
models.resnet50(replace_stem_pol=True)  # error: option replace_stem_pol
models.resnet50(num_classes="10")  # error: type num_classes
models.resnet50(layers=(1, 1, 1))  # error: type layers
models.resnet50(drop_rate=None)  # error: type drop_rate
models.resnet50(act_layer="rellu")  # error: choice act_layer
models.resnet50(output_stride=4)  # error: choice output_stride
models.resnet50(block_args="se")  # error: type block_args
models.resnet50(block_args=ResNetConfig(block="basic", layers=(1, 1, 1, 1)))  # error
models.resnet50(pretrained="a1_in22k")  # error: type pretrained
models.resnet50(pretrained="gluon_in1k_")  # error: type pretrained
models.resnet200(pretrained=True)  # error: type pretrained
models.resnet50(10)  # error
models.resnet5O()  # error: name resnet5O
models.resnet50.config(qkv_bias=True)  # error: option qkv_bias
models.resnet50.config(seed=1)  # error: option seed
models.resnet50.spec(num_clases=1)  # error: option num_clases

# The door that everybody knows.
create_model("resnet50", qkv_bias=True)  # error
create_model("resnet50", replace_stem_pol=True)  # error
create_model("resnet50", num_classes="10")  # error
create_model("resnet50", act_layer="rellu")  # error
create_model("resnet5O", replace_stem_pool=True)  # error
create_model("resnet50", pretrained=1.0)  # error
create_model(50)  # error
configure(50)  # error

# A mistake in another family: its options are its own.
models.convnext_tiny(window_size=7)  # error: option window_size
models.convnext_tiny(ls_init_value="1e-6")  # error
models.swin_tiny_patch4_window7_224(use_grn=True)  # error: option use_grn
models.vgg16_bn(replace_stem_pool=True)  # error: option replace_stem_pool
models.densenet121(growthrate=16)  # error: option growthrate
models.regnety_032(layers=(2, 5, 13, 1))  # error: option layers
models.vit_small_patch16_dinov3(rope_type="axial")  # error
create_model("beit_base_patch16_224", rope_type="cat")  # error
models.resnetv2_50(norm_layer="frn")  # error
models.regnety_032(downsample="conv")  # error
models.mobilenetv3_large_100(se_layer=SqueezeExcite(rd_divisor="8"))  # error
models.mobilenetv3_large_100(se_layer=BlockArgs(attn_layer="se"))  # error
models.deit_base_distilled_patch16_224(distiled=True)  # error: option distiled
create_model("convnext_tiny", window_size=7)  # error
create_model("swin_tiny_patch4_window7_224", use_grn=True)  # error
create_model("vgg16_bn", growth_rate=3)  # error
create_model("densenet121", growth_rate="16")  # error
create_model("regnetz_005", group_size=4.0)  # error
create_model("mobilenetv3_large_100", se_layer=BlockArgs(attn_layer="se"))  # error
create_model("deit_base_distilled_patch16_224", global_pool="tokens")  # error
create_model("tv_densenet121", growth_rate=16)  # error

# Backbones.
models.resnet50.backbone(qkv_bias=True)  # error: option qkv_bias
models.resnet50.backbone(out_index=(1, 3))  # error: option out_index
models.resnet50.backbone(pretrained="a1_in22k")  # error
create_backbone("resnet50", out_indices="13")  # error
create_backbone("resnet50", out_indices=3)  # error
create_backbone("resnet50", output_fmt="NHCW")  # error
models.swin_tiny_patch4_window7_224.backbone(use_grn=True)  # error: option use_grn
create_model(create_backbone("resnet50").spec)  # error
parameter_groups(create_backbone("resnet50"))  # error

# Config first.
ResNetConfig(block="basic", layers=(1, 1, 1, 1), qkv_bias=True)  # error
ResNetConfig(block="basic", layers=(1, 1, 1, 1), drop_rate="a")  # error
ResNetConfig(block="basic")  # error


# A name that is known at run time only: the options of every model, and nothing else.
def at_run_time(name: str) -> None:
    create_model(name, replace_stem_pool=True)  # error
    create_model(name, num_clases=10)  # error
    configure(name, num_classes="10")  # error
